import { chooseBuckets } from '../../data/batching.ts';
import { type ExampleSet, heldSet } from '../../data/example-set.ts';
import type { Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import type { Example } from '../../data/types.ts';
import type { ReportStep } from '../../evaluate/report/data.ts';
import type { NDArray } from '../../graph/index.ts';
import type { Method } from '../../methods/method.ts';
import type { Params } from '../../nn/params.ts';
import type { Reading } from '../../train/counterpart.ts';
import type { TrainSettings } from '../../train/job.ts';
import { type TokenRows, tokenRows } from '../../train/language.ts';
import {
  goodResponse,
  type PreferenceRows,
  preferenceRows,
  responsesOfExample,
} from '../../train/preference.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import type { ModelSettings } from '../build.ts';
import type { RunContext } from '../context.ts';
import { onPolicy } from '../data-steps.ts';
import { type BuiltDecoder, buildDecoder, decoderTokenizer, usualRowLength } from '../decoder.ts';
import { type LanguageTeacher, languageTeacher } from '../generate-teacher.ts';
import { writesRemotely } from '../open-writer.ts';

/** Everything the policies of a run share. */
export interface PreferenceJob {
  readonly built: BuiltDecoder;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly batchSize: number;
  /** On-policy: until a round has made some, test rows in the form of pairs, to try the loss on. */
  readonly rows: PreferenceRows;
  /** Training rows as tokens. */
  readonly rowsOf: (examples: readonly Example[]) => PreferenceRows;
  /** The better responses alone; empty when no row has one. */
  readonly good: TokenRows;
  readonly validation?: PreferenceRows;
  readonly test: PreferenceRows;
  readonly teacher?: LanguageTeacher;
  readonly settings: TrainSettings;
  readonly method: Method;
  readonly config: unknown;
  /** Hash of what every training depends on. */
  readonly depends: string;
}

/** One seed: the student before preferences, after them, and going on with the better responses alone. */
export interface PolicyRun {
  readonly seed: number;
  readonly start: Params<NDArray>;
  readonly startSeconds: number;
  readonly policy: Params<NDArray>;
  readonly seconds: number;
  readonly alone?: { readonly params: Params<NDArray>; readonly seconds: number };
  readonly asked: number;
  /** On-policy: what steps did in its rounds. */
  readonly steps?: readonly ReportStep[];
}

/** Tokenizer, model, rows and teacher. Errors: `data` where nothing can be learned or measured. */
export async function preferenceJob(
  ctx: RunContext,
  method: Method,
  config: unknown,
): Promise<PreferenceJob> {
  const { recipe, data } = ctx;
  const settings = recipe.train as unknown as TrainSettings;
  const student = recipe.student as ModelSettings;
  const train = data.splits.train.items!;
  const texts = train.flatMap((e) => {
    const { responses } = responsesOfExample(e);
    return responses.length > 0 ? responses.map((response) => ({ ...e, response })) : [e];
  });
  const tokenizer = await decoderTokenizer(student, texts, ctx.baseDir);
  const maxLength = student.maxLength ?? usualRowLength(tokenizer, texts);
  const built = await buildDecoder(student, { tokenizer, maxLength, baseDir: ctx.baseDir, at: 'student' });
  const mismatched = method.responses?.(config).mismatched ?? false;
  const rowsOf = (examples: readonly Example[], what: string, extra: boolean): PreferenceRows => {
    const plain = preferenceRows(examples, { tokenizer, maxLength, mismatched: extra });
    if (plain.size === 0)
      throw new DecantError('data', `no ${what} row has responses with a known quality`, {
        at: 'data',
        allowed: 'prompt with chosen and rejected, with responses and scores, or with response and good',
      });
    const buckets = chooseBuckets(plain.flat.lengths, settings.buckets);
    return preferenceRows(examples, { tokenizer, maxLength, mismatched: extra, buckets });
  };
  const validation = data.splits.validation?.items ?? [];
  const test = rowsOf(data.splits.test?.items ?? [], 'test', false);
  return {
    built,
    tokenizer,
    maxLength,
    batchSize: (recipe.teacher as { batchSize?: number } | undefined)?.batchSize ?? 64,
    rows: onPolicy(ctx)
      ? rowsOf(likePairs(data.splits.test!.items!), 'test', mismatched)
      : rowsOf(train, 'training', mismatched),
    rowsOf: (examples) => rowsOf(examples, 'training', mismatched),
    good: goodRows(train, { tokenizer, maxLength }, settings.buckets),
    validation: validation.length > 0 ? rowsOf(validation, 'validation', false) : undefined,
    test,
    teacher: await preferenceTeacher(ctx, method, { tokenizer, maxLength }),
    settings,
    method,
    config,
    depends: contentHash([tokenizer.files, maxLength]),
  };
}

/** The better response of each example, as an example of prompt and response. */
const imitated = (examples: readonly Example[]): Example[] =>
  examples.flatMap((e) => {
    const response = goodResponse(e);
    return response === undefined ? [] : [{ ...e, response }];
  });

function goodRows(examples: readonly Example[], reading: Reading, buckets: number): TokenRows {
  const good = imitated(examples);
  return tokenRows(good, { ...reading, buckets: chooseBuckets(tokenRows(good, reading).lengths, buckets) });
}

/** Rows as the steps of a round will leave them. */
const likePairs = (examples: readonly Example[]): Example[] =>
  examples.map(({ file, line, prompt, response, chosen }) => ({
    file,
    line,
    prompt,
    chosen: chosen ?? response ?? '',
    rejected: prompt,
  }));

/** A teacher behind an API judges; it has no log-probabilities of given responses. Errors: `pairing` where they are wanted. */
function onlyJudging(recipe: RunContext['recipe'], method: Method): undefined {
  const wanted = recipe.prefer?.reference === 'teacher' ? 'prefer.reference: teacher' : undefined;
  const needed = method.needs.signals.length > 0 ? `method ${method.slug}` : undefined;
  if (wanted ?? needed)
    throw new DecantError('pairing', 'a teacher behind an API says nothing about given responses', {
      at: wanted ? 'prefer.reference' : 'method',
      seen: wanted ?? needed,
      allowed: wanted ? 'start, moving' : 'methods that learn from preferences alone, such as dpo',
    });
  return undefined;
}

/** The recipe's teacher; one that is trained in place learns the better responses. */
async function preferenceTeacher(
  ctx: RunContext,
  method: Method,
  student: Reading,
): Promise<LanguageTeacher | undefined> {
  const { recipe, data } = ctx;
  if (!recipe.teacher) return undefined;
  if (writesRemotely(ctx)) return onlyJudging(recipe, method);
  const good = (set: ExampleSet | undefined): ExampleSet | undefined => set && heldSet(imitated(set.items!));
  const splits = { ...data.splits, train: good(data.splits.train)!, teacher: good(data.splits.teacher) };
  const teacher = await languageTeacher({ ...ctx, data: { ...data, splits } }, student, method);
  if (!teacher.shared && recipe.prefer?.reference === 'teacher')
    throw new DecantError('pairing', 'a reference must split text as the student does', {
      at: 'prefer.reference',
      seen: 'teacher',
      allowed: 'start, moving',
      fix: "give the student the teacher's tokenizer (student.tokenizer.from), or take another reference",
    });
  return teacher;
}

/** The rows as the teacher reads them: a response's log-probability is one number whatever its tokens. */
export const readBy = (teacher: LanguageTeacher, rows: PreferenceRows): TokenRows =>
  teacher.shared
    ? rows.flat
    : preferenceRows(rows.examples, {
        tokenizer: teacher.tokenizer,
        maxLength: teacher.maxLength,
        mismatched: rows.mismatched !== undefined,
      }).flat;
