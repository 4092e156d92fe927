import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { ReportData, ReportValue } from '../evaluate/report/data.ts';
import { loadRecipe } from '../recipe/load.ts';
import { listenForInterrupt } from '../run/interrupt.ts';
import { type RunResult, runRecipe } from '../run/run.ts';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { loadCatalogue } from './catalogue.ts';
import { createOutput, type Io, type Output, textTable } from './io.ts';

interface RunFlags {
  set?: string[];
  out?: string;
  resume?: boolean;
  json?: boolean;
}

/** Where a run folder remembers which folder the recipe's relative paths start from. */
const BASE = 'base.json';

/** `decant run`. */
export async function runCommand(file: string, flags: RunFlags, io: Io): Promise<void> {
  const output = createOutput(io, flags);
  const loaded = await loadRecipe(resolve(io.cwd, file), {
    set: flags.set,
    catalogue: await loadCatalogue(),
  });
  for (const line of loaded.migrated) output.note(`note: this recipe is of an old version: ${line}`);
  const name = loaded.recipe.name ?? 'run';
  const out = resolve(io.cwd, flags.out ?? join('runs', name));
  await execute(
    loaded.recipe,
    loaded.hash,
    { out, baseDir: loaded.baseDir, resume: flags.resume && existsSync(join(out, 'recipe.yaml')) },
    output,
    io,
  );
}

/** `decant resume`: the resolved recipe of the folder, unchanged. */
export async function resumeCommand(dir: string, flags: { json?: boolean }, io: Io): Promise<void> {
  const out = resolve(io.cwd, dir);
  const recipe = join(out, 'recipe.yaml');
  if (!existsSync(recipe))
    throw new DecantError('usage', 'there is no run in this folder', {
      at: out,
      fix: 'give the folder that "decant run" printed',
    });
  const loaded = await loadRecipe(recipe, { catalogue: await loadCatalogue() });
  const base = join(out, BASE);
  const { baseDir } = existsSync(base)
    ? (JSON.parse(await (await import('node:fs/promises')).readFile(base, 'utf8')) as { baseDir: string })
    : { baseDir: io.cwd };
  await execute(
    loaded.recipe,
    loaded.hash,
    { out, baseDir: resolve(out, baseDir), resume: true },
    createOutput(io, flags),
    io,
  );
}

async function execute(
  recipe: Parameters<typeof runRecipe>[0],
  hash: string,
  options: { out: string; baseDir: string; resume?: boolean },
  output: Output,
  io: Io,
): Promise<void> {
  const interrupt = listenForInterrupt();
  try {
    const result = await runRecipe(recipe, hash, {
      ...options,
      dataRoot: io.env.DECANT_DATA,
      stopRequested: () => interrupt.requested,
      onOpened: (folder) =>
        writeFileAtomic(
          join(folder, BASE),
          `${JSON.stringify({ baseDir: relative(folder, options.baseDir) || '.' })}\n`,
        ),
    });
    output.result(summaryOf(result), () => summaryText(result, output, io));
  } finally {
    interrupt.dispose();
  }
}

const summaryOf = (r: RunResult): unknown => ({
  out: r.out,
  seconds: r.seconds,
  headline: r.report.headline,
  arms: r.report.arms.map(({ id, name, seeds, values, parameters, bytes, int8Bytes }) => ({
    id,
    name,
    seeds,
    values,
    parameters,
    bytes,
    int8Bytes,
  })),
  comparisons: r.report.comparisons,
  model: r.model,
  askedOfTeacher: r.askedOfTeacher,
  warnings: r.report.warnings,
});

function summaryText(r: RunResult, output: Output, io: Io): string {
  const { report } = r;
  // the report has the rest
  const shown = report.metrics.filter((m) => !['nll', 'eceMass', 'brier', 'topk'].includes(m.key));
  const rows = report.arms.map((a) => [
    a.name,
    ...shown.map((m) => valueText(a.values[m.key], m.format)),
    a.parameters === undefined ? '–' : compact(a.parameters),
  ]);
  const table = textTable(['', ...shown.map((m) => m.label), 'Parameters'], rows);
  const file = (path: string): string => relative(io.cwd, path) || '.';
  return [
    '',
    output.colour.bold(report.headline.sentence),
    '',
    table,
    '',
    ...report.warnings.map((w) => output.colour.yellow(`warning: ${w}`)),
    `report   ${file(join(r.out, 'report.html'))}`,
    `student  ${file(r.model.folder)}`,
    output.colour.dim(
      `exported files checked: ${r.model.parity.map((p) => `${p.file} largest difference ${p.maxDifference.toExponential(1)}${p.top1Agreement === undefined ? '' : `, same first class ${(100 * p.top1Agreement).toFixed(1)} %`}`).join('; ')}`,
    ),
    output.colour.dim(`${r.seconds.toFixed(0)} s`),
  ].join('\n');
}

const compact = (n: number): string =>
  n >= 1e6 ? `${(n / 1e6).toFixed(1)}M` : n >= 1e3 ? `${(n / 1e3).toFixed(0)}k` : String(n);

function valueText(v: ReportValue | undefined, format: ReportData['metrics'][number]['format']): string {
  if (!v) return '–';
  const show = (x: number): string => (format === 'percent' ? (100 * x).toFixed(1) : x.toFixed(3));
  return v.sd === undefined ? show(v.mean) : `${show(v.mean)} ± ${show(v.sd)}`;
}
