import { readFile } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import type { PreparedData } from '../data/prepare.ts';
import { problemKinds } from '../data/types.ts';
import type {
  ReportArm,
  ReportCurve,
  ReportData,
  ReportDataFacts,
  ReportFact,
} from '../evaluate/report/data.ts';
import type { ExportedFile } from '../export/student.ts';
import type { Method } from '../methods/method.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import type { RunContext } from './context.ts';
import { readMetrics } from './events.ts';

type Shared = 'version' | 'title' | 'task' | 'method' | 'created' | 'curves';
type Usual = 'gold' | 'comparisons' | 'reliability' | 'examples' | 'environment';

/** What a task adds to the report of a run; what it leaves out is empty, and test rows are all taken for gold. */
export type TaskReport = Omit<ReportData, Shared | Usual> & Partial<Pick<ReportData, Usual>>;

/** The report of a run: what all tasks say in the same way, and the task's own figures. `began`: performance.now() at the start. */
export async function reportOf(
  ctx: RunContext,
  method: Method,
  began: number,
  own: TaskReport,
): Promise<ReportData> {
  const { recipe, folder } = ctx;
  return {
    version: 1,
    title: recipe.name ?? folder.path.split('/').at(-1) ?? 'run',
    task: recipe.task,
    method: method.slug,
    created: new Date().toISOString(),
    gold: { kind: 'all' },
    comparisons: [],
    reliability: [],
    examples: [],
    ...own,
    curves: curves(folder.metrics),
    environment: [
      ...(await environment(ctx, (performance.now() - began) / 1000)),
      ...(own.environment ?? []),
    ],
  };
}

/** How intervals are drawn, from the recipe. */
export const intervalOptions = ({ evaluate }: Recipe): { resamples: number; level: number } => ({
  resamples: evaluate.bootstrap,
  level: evaluate.level,
});

/** What a reader must know of a run with one seed. */
export const seedWarnings = ({ seeds }: Recipe): string[] =>
  seeds.length === 1 ? ['One seed: how much the result varies from training to training is unknown.'] : [];

/** "with 7.1 % of its parameters": the student's as a share of the teacher's; undefined where one is not known. */
export function parameterShare(
  student: Pick<ReportArm, 'parameters'>,
  teacher?: Pick<ReportArm, 'parameters'>,
): string | undefined {
  if (!student.parameters || !teacher?.parameters) return undefined;
  if (student.parameters === teacher.parameters) return 'with as many parameters';
  return `with ${((100 * student.parameters) / teacher.parameters).toFixed(1)} % of its parameters`;
}

/** Sizes of the exported files on the arms that have one: by default those of both students. */
export function addFileSizes(
  arms: readonly ReportArm[],
  files: readonly ExportedFile[],
  roles: readonly ReportArm['role'][] = ['distilled', 'alone'],
): void {
  const bytesOf = (path: string): number | undefined => files.find((f) => f.path === path)?.bytes;
  for (const arm of arms)
    if (roles.includes(arm.role))
      Object.assign(arm, {
        bytes: bytesOf('onnx/model.onnx'),
        int8Bytes: bytesOf('onnx/model_quantized.onnx'),
      });
}

/** The same of rows that carry no labels to be counted. */
export function unlabelledFacts(data: PreparedData): ReportDataFacts {
  const facts = dataFacts(data);
  return { ...facts, splits: facts.splits.map(({ labelled: _, ...split }) => split) };
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

/** Curves of every arm, from metrics.jsonl. */
function curves(metricsFile: string): ReportCurve[] {
  const byKey = new Map<string, ReportCurve>();
  for (const row of readMetrics(metricsFile)) {
    for (const [term, value] of Object.entries(row.values)) {
      const key = `${row.arm}|${row.seed}|${row.split}|${term}`;
      let curve = byKey.get(key);
      if (!curve) {
        curve = { arm: row.arm, seed: row.seed, split: row.split, term, steps: [], values: [] };
        byKey.set(key, curve);
      }
      curve.steps.push(row.step);
      curve.values.push(value);
    }
  }
  return [...byKey.values()];
}

/** What the data report says, in the report's form. */
export function dataFacts(data: PreparedData): ReportDataFacts {
  const removed = ['duplicate', 'near-duplicate', 'leak', 'near-leak'];
  const out: ReportDataFacts = { splits: [], duplicates: [], problems: [] };
  for (const [name, split] of Object.entries(data.report.splits)) {
    const labelled = data.splits[name as keyof PreparedData['splits']]?.items?.filter(
      (e) => (e.label ?? -1) >= 0,
    ).length;
    out.splits.push({
      name,
      rows: split.kept,
      ...(labelled === undefined ? {} : { labelled }),
      about: split.source,
    });
    for (const [action, counts] of [
      ['put aside', split.problems.aside],
      ['kept', split.problems.noted],
    ] as const) {
      for (const [kind, count] of Object.entries(counts ?? {})) {
        if (!count) continue;
        if (removed.includes(kind))
          out.duplicates.push({
            kind: `${name}: ${problemKinds[kind as keyof typeof problemKinds]}`,
            count,
            action,
          });
        else {
          const examples = data.report.samples
            .filter((p) => p.kind === kind && (p.split ?? name) === name)
            .slice(0, 3);
          out.problems.push({
            kind: `${name}: ${problemKinds[kind as keyof typeof problemKinds] ?? kind}`,
            count,
            action,
            examples: examples.map((p) => ({ where: `${p.file}:${p.line}`, text: p.message })),
          });
        }
      }
    }
  }
  const train = data.splits.train.items;
  if (data.classes) {
    const counts = new Array<number>(data.classes.length).fill(0);
    for (const e of train ?? []) if ((e.label ?? -1) >= 0) counts[e.label!]++;
    // streamed rows were counted when they were scanned
    if (!train)
      for (const [i, n] of (data.report.splits.train?.balance?.counts ?? []).entries()) counts[i] = n;
    out.classes = data.classes
      .map((name, i) => ({ name, count: counts[i] }))
      .sort((a, b) => b.count - a.count);
  }
  if (data.steps) out.steps = [...data.steps];
  const words = data.report.splits.train?.words;
  if (words) {
    let from = words.min;
    out.lengths = {
      unit: 'words',
      bins: words.histogram.map(({ upTo, count }) => {
        const bin = { from, to: upTo, count };
        from = upTo + 1;
        return bin;
      }),
    };
  }
  return out;
}

/** The machine and the versions. */
async function environment(ctx: RunContext, seconds: number): Promise<ReportFact[]> {
  const own = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const share =
    ctx.clock.trainMs > 0
      ? ` (${percent(ctx.clock.engineMs / (ctx.clock.trainMs - ctx.clock.compileMs))} of the time of training steps inside the engine, after ${(ctx.clock.compileMs / 1000).toFixed(1)} s of compiling)`
      : '';
  return [
    { name: 'Decant', value: own.version },
    { name: 'Node', value: `${process.version}, ${platform()} ${arch()}` },
    {
      name: 'Processor',
      value: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    },
    { name: 'Engine', value: `${ctx.engine.name}, onnxruntime` },
    { name: 'Seeds', value: ctx.recipe.seeds.join(', ') },
    { name: 'Duration', value: `${seconds.toFixed(0)} s${share}` },
    { name: 'Recipe hash', value: ctx.recipeHash.slice(0, 16) },
  ];
}
