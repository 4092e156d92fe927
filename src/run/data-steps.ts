import { existsSync, readFileSync } from 'node:fs';
import { heldSet } from '../data/example-set.ts';
import { excerpt } from '../data/problems.ts';
import type {
  DataStep,
  Removed,
  StepContext,
  StepResult,
  TextRecord,
  TextTeacher,
} from '../data/steps/step.ts';
import type { ReportStep } from '../evaluate/report/data.ts';
import type { Curation } from '../methods/curation.ts';
import type { Method } from '../methods/method.ts';
import { dataSteps } from '../train/steps.ts';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { contentHash } from '../util/node/hash.ts';
import type { RunContext } from './context.ts';
import { openRemoteWriter, writesRemotely } from './open-writer.ts';
import { openStepJournal } from './step-journal.ts';
import { openVectors } from './text-vectors.ts';

/** Whether anything of this run rewrites the training rows. */
export const rewritesRows = (ctx: Pick<RunContext, 'recipe'>, method: Method): boolean =>
  ctx.recipe.data.steps.length > 0 || method.curate !== undefined;

/** Whether a step that stands in the recipe, or the method, has the teacher write or judge. */
export const asksTeacher = (ctx: Pick<RunContext, 'recipe'>, method: Method): boolean =>
  method.curate !== undefined ||
  ctx.recipe.data.steps.some(({ step }) => dataSteps[step as string].needs.includes('teacher'));

/** Whether steps work with what the student writes, so that they run anew in every round of its training. */
export const onPolicy = ({ recipe }: Pick<RunContext, 'recipe'>): boolean =>
  recipe.data.steps.some(({ step }) => dataSteps[step as string].needs.includes('student'));

/** For tasks whose teacher is no writer: the run with its training rows after steps, which may ask a teacher behind an API. */
export async function withCuratedRows(ctx: RunContext, method: Method, config: unknown): Promise<RunContext> {
  if (!rewritesRows(ctx, method)) return ctx;
  const teacher = writesRemotely(ctx) && asksTeacher(ctx, method) ? await openRemoteWriter(ctx) : undefined;
  try {
    return await curatedRun(ctx, method, config, teacher);
  } finally {
    await teacher?.close();
  }
}

/** One round of on-policy training: the student as it is by then. */
export interface StudentRound {
  readonly student: TextTeacher;
  /** For files and tables: "seed 1 round 2". */
  readonly name: string;
}

/**
 * The run with its training rows after `data.steps` and the method's own `curate`. Each step is taken from the run folder when it ran
 * before on the same rows with the same options; what it removes goes to rows-put-aside.jsonl, and the rows that are left,
 * with what was done to them, to curated-rows.jsonl.
 */
export async function curatedRun(
  ctx: RunContext,
  method: Method,
  config: unknown,
  teacher: TextTeacher | undefined,
  round?: StudentRound,
): Promise<RunContext> {
  const { recipe, data, folder } = ctx;
  const suffix = round ? `-${round.name.replaceAll(' ', '-')}` : '';
  if (!data.splits.train.items)
    throw new DecantError('recipe', 'steps over rows need them in memory', {
      at: 'data.streaming',
      seen: recipe.data.streaming,
      fix: 'leave data.streaming out, or data.steps',
    });
  const given: readonly TextRecord[] = data.splits.train.items;
  const held = [...(data.splits.validation?.items ?? []), ...(data.splits.test?.items ?? [])];
  const context: StepContext = {
    seed: round ? `${recipe.data.seed}/${round.name}` : recipe.data.seed,
    held,
    given,
    pool: data.splits.unlabeled?.items ?? [],
    rated: data.splits.rated?.items ?? [],
    teacher,
    student: round?.student,
    engine: ctx.engine,
  };
  const journal = openStepJournal(folder.steps, { artifacts: folder.artifacts, root: folder.path });
  const done: ReportStep[] = [];
  const aside: string[] = [];
  const opened: { close(): Promise<void> }[] = [];
  // inputs of a step, hashed once
  const hashes = new Map<unknown, string>();
  const hashOf = (rows: readonly TextRecord[]): string => {
    const known = hashes.get(rows) ?? contentHash(rows);
    hashes.set(rows, known);
    return known;
  };
  const run = async (
    step: DataStep,
    options: Readonly<Record<string, unknown>>,
    rows: readonly TextRecord[],
    at: string,
  ): Promise<readonly TextRecord[]> => {
    if (ctx.stopRequested())
      throw new DecantError('interrupted', `stopped before the step ${step.name}; earlier ones are kept`, {
        fix: 'go on with: decant resume DIR',
      });
    const parsed = optionsOf(step, options, at);
    requireNeeds(step, context, at);
    const source = step.vectors?.(parsed as never);
    const vectors = source === undefined ? undefined : await openVectors(ctx, source);
    if (vectors) opened.push(vectors);
    const task = ctx.progress.task(`step ${step.name}`, rows.length, 'rows');
    const result = (await journal.step<StepResult>({
      name: `data/${step.name}`,
      version: step.version,
      input: {
        options: parsed,
        rows: hashOf(rows),
        seed: context.seed,
        ...(step.needs.includes('teacher') ? { teacher: teacher!.id } : {}),
        ...(step.needs.includes('student') ? { student: context.student!.id } : {}),
        ...(vectors ? { vectors: vectors.id } : {}),
        ...Object.fromEntries(
          (['held', 'given', 'pool', 'rated'] as const)
            .filter((n) => step.needs.includes(n))
            .map((n) => [n, hashOf(context[n])]),
        ),
      },
      run: () =>
        step.run(rows, parsed as never, {
          ...context,
          vectors,
          onProgress: (n, of) => {
            task.update({ done: Math.round((rows.length * n) / of) });
            if (ctx.stopRequested() && n < of)
              throw new DecantError('interrupted', `stopped in the step ${step.name}`, {
                fix: 'go on with: decant resume DIR; what a teacher behind an API said is kept',
              });
          },
        }),
    })) as StepResult;
    task.finish();
    for (const r of result.removed) aside.push(asideLine(step.name, r));
    done.push({
      name: round ? `${step.name}, ${round.name}` : step.name,
      before: rows.length,
      after: result.kept.length,
      removed: result.removed.length,
      reasons: commonReasons(result.removed),
      figures: { ...result.figures },
    });
    return result.kept;
  };
  try {
    let rows = given;
    for (const [i, { step, ...options }] of recipe.data.steps.entries())
      rows = await run(dataSteps[step as string], options, rows, `data.steps.${i}`);
    if (method.curate) {
      const curation: Curation = {
        ...context,
        rows,
        step: (step, options, from) => run(step, options, from, `method ${method.slug}, step ${step.name}`),
      };
      rows = await method.curate(curation, config);
    }
    if (rows.length === 0) {
      // later steps had nothing to look at
      const last = done.find((d) => d.after === 0);
      throw new DecantError('data', 'no training row is left', {
        at: last?.name ?? 'data.steps',
        seen: Object.entries(last?.reasons ?? {})
          .map(([r, n]) => `${n}: ${r}`)
          .join('; '),
        fix: `look into ${folder.putAside}`,
      });
    }
    writeFileAtomic(
      `${folder.path}/curated-rows${suffix}.jsonl`,
      rows.map((r) => `${JSON.stringify(r)}\n`).join(''),
    );
    return {
      ...ctx,
      data: { ...data, splits: { ...data.splits, train: heldSet([...rows]) }, steps: done },
    };
  } finally {
    for (const { close } of opened) await close();
    journal.close();
    appendAside(folder.putAside, aside);
  }
}

function optionsOf(step: DataStep, options: Readonly<Record<string, unknown>>, at: string): unknown {
  const parsed = step.options.safeParse(options);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DecantError('recipe', issue.message, { at: [at, ...issue.path].join('.'), seen: options });
}

function requireNeeds(step: DataStep, context: StepContext, at: string): void {
  if (step.needs.includes('teacher') && !context.teacher)
    throw new DecantError('recipe', `the step ${step.name} asks a teacher that writes text`, {
      at,
      seen: 'a teacher without text',
      allowed: 'teacher.kind: api or several; for task generate also trained or folder',
    });
  if (step.needs.includes('student') && !context.student)
    throw new DecantError(
      'recipe',
      `the step ${step.name} asks the student, which is trained in one go here`,
      {
        at,
        allowed: 'task prefer, which goes in rounds (prefer.rounds)',
        fix: 'take task prefer, or the step write',
      },
    );
}

const asideLine = (step: string, { record, reason }: Removed): string =>
  `${JSON.stringify({ kind: 'step', file: record.file, line: record.line, message: `${step}: ${reason}`, split: 'train', raw: excerpt(record) })}\n`;

/** Reasons by number of rows, the figures in them left out so that like falls to like; the four commonest. */
function commonReasons(removed: readonly Removed[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { reason } of removed) {
    const plain = reason.replace(/-?\d+(\.\d+)?/g, '…').replace(/"[^"]*"|\S*:…/g, '…');
    counts.set(plain, (counts.get(plain) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]).slice(0, 4));
}

/** Reading the data wrote the file anew; what steps removed follows. */
function appendAside(path: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  writeFileAtomic(path, (existsSync(path) ? readFileSync(path, 'utf8') : '') + lines.join(''));
}
