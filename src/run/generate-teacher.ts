import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { chooseBuckets } from '../data/batching.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import type { NDArray } from '../graph/index.ts';
import { methods } from '../methods/index.ts';
import { supervised } from '../methods/logits/kd.ts';
import type { Method } from '../methods/method.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import { countParams, type Params } from '../nn/params.ts';
import type { BatchSource } from '../train/batches.ts';
import type { Reading } from '../train/counterpart.ts';
import type { SignalColumns, TrainSettings } from '../train/job.ts';
import { languageSource, type TokenRows, tokenRows } from '../train/language.ts';
import { packedSource } from '../train/packing.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { trainArm } from './arm.ts';
import type { ModelSettings } from './build.ts';
import type { RunContext } from './context.ts';
import {
  buildDecoder,
  decoderFromFolder,
  decoderTokenizer,
  languageTextOf,
  sameVocabulary,
} from './decoder.ts';
import { openStreamedTexts, type StreamedTexts } from './streamed-texts.ts';
import { paramsHash } from './teacher.ts';
import { tokenizerFromFolder } from './text.ts';

/** A language model that teaches: its weights, how it reads, and the identity under which its signals are stored. */
export interface LanguageTeacher extends Reading {
  readonly name: string;
  readonly id: string;
  readonly model: DecoderModel;
  readonly params: Params<NDArray>;
  readonly parameters: number;
  readonly seconds?: number;
  /** Whether it splits text as the student does, so that tokens can be compared one by one. */
  readonly shared: boolean;
}

/**
 * Opens the recipe's teacher: trained in place (from the disk where texts are `streamed`), or a local folder. Its tokenizer is
 * the student's unless it has its own.
 */
export async function languageTeacher(
  ctx: RunContext,
  student: Reading,
  method: Method,
  streamed?: StreamedTexts,
): Promise<LanguageTeacher> {
  const settings = ctx.recipe.teacher as
    | (ModelSettings & { kind: string; path?: string; train: TrainSettings })
    | undefined;
  if (settings?.kind === 'folder') return folderTeacher(ctx, settings.path!, student, method);
  if (settings?.kind !== 'trained') {
    throw new DecantError('recipe', 'this kind of teacher cannot be used for task generate', {
      at: 'teacher.kind',
      seen: settings?.kind ?? 'no teacher',
      allowed: 'trained, folder, hub',
    });
  }
  const { teacher: past, train } = ctx.data.splits;
  const texts = streamed && past ? await openStreamedTexts(ctx, past) : streamed;
  const examples = texts?.sample ?? (past ?? train).items!;
  const own =
    settings.tokenizer || settings.from
      ? await decoderTokenizer(settings, examples, ctx.baseDir)
      : student.tokenizer;
  const shared = sameVocabulary(own, student.tokenizer);
  if (!shared) requireCrossing(ctx.recipe.task, method, own, student.tokenizer, 'teacher.tokenizer');
  const reading = shared
    ? student
    : { tokenizer: own, maxLength: settings.maxLength ?? longestRow(ctx, own) };
  const built = await buildDecoder(settings, { ...reading, baseDir: ctx.baseDir, at: 'teacher' });
  const trained = await trainArm(ctx, {
    name: 'teacher',
    title: 'teacher',
    seed: 1000,
    model: built.model as never,
    start: built.start,
    method: supervised,
    config: supervised.config.parse({}),
    settings: settings.train,
    source: texts
      ? await texts.source(reading, settings.train.buckets)
      : sourceOf(bucketedRows(examples, reading, settings.train.buckets), reading, settings.train),
    depends: contentHash([own.files, reading.maxLength]),
  });
  return {
    ...reading,
    shared,
    name: `${settings.architecture ?? settings.from}, trained in place`,
    id: `trained:${contentHash([paramsHash(trained.params), contentHash(own.files)])}`,
    model: built.model,
    params: trained.params,
    parameters: countParams(built.model.params),
    seconds: trained.seconds,
  };
}

/** Rows as batches, packed where the settings say so. */
export function sourceOf(
  rows: TokenRows,
  { maxLength }: Reading,
  { packing }: Pick<TrainSettings, 'packing'>,
  columns?: SignalColumns,
): BatchSource {
  return packing ? packedSource(rows, maxLength, columns) : languageSource(rows, columns);
}

/** Texts, or prompts with responses, as rows in a few lengths. Errors: `data` when there is nothing to learn. */
export function bucketedRows(
  examples: readonly Example[],
  { tokenizer, maxLength }: Reading,
  buckets: number,
): TokenRows {
  const plain = tokenRows(examples, { tokenizer, maxLength });
  if (plain.size === 0)
    throw new DecantError('data', 'no row has a text or a response to learn', { at: 'data' });
  return tokenRows(examples, { tokenizer, maxLength, buckets: chooseBuckets(plain.lengths, buckets) });
}

/** Predictions of the longest row of the data, rounded up to a multiple of 8. */
function longestRow({ data }: RunContext, tokenizer: Tokenizer): number {
  const all = Object.values(data.splits).flatMap((s) => s.items ?? []);
  const lengths = all.map((e) => tokenizer.encode(languageTextOf(e)).length + 2);
  return Math.ceil(lengths.reduce((a, b) => Math.max(a, b), 8) / 8) * 8;
}

/** Errors: `pairing` for a method that compares tokens one by one. */
function requireCrossing(
  task: string,
  method: Method,
  teacher: Tokenizer,
  student: Tokenizer,
  at: string,
): void {
  if (!method.needs.sameVocabulary) return;
  const crossing = Object.values(methods)
    .filter((m) => m.needs.tasks.includes(task) && !m.needs.sameVocabulary && m.needs.signals.length > 0)
    .map((m) => m.slug);
  throw new DecantError('pairing', 'teacher and student split text into different tokens', {
    at,
    seen: `the student ${student.size} tokens, the teacher ${teacher.size}, and ${method.slug} compares them one by one`,
    allowed: `one tokenizer for both, or a method that crosses vocabularies: ${crossing.join(', ')}`,
    fix: "give the student the teacher's tokenizer (student.tokenizer.from), or change the method",
  });
}

async function folderTeacher(
  ctx: RunContext,
  given: string,
  student: Reading,
  method: Method,
): Promise<LanguageTeacher> {
  const path = resolve(ctx.baseDir, given);
  if (!existsSync(path))
    throw new DecantError('recipe', 'there is nothing at this path', { at: 'teacher.path', seen: given });
  const own = await tokenizerFromFolder(path);
  const shared = sameVocabulary(own, student.tokenizer);
  if (!shared) requireCrossing(ctx.recipe.task, method, own, student.tokenizer, 'student.tokenizer');
  const { model, start } = await decoderFromFolder(path);
  if (shared && model.maxLength < student.maxLength)
    throw new DecantError('pairing', 'the rows are longer than the teacher can read', {
      at: 'student.maxLength',
      seen: student.maxLength,
      allowed: `at most ${model.maxLength}`,
    });
  return {
    tokenizer: own,
    maxLength: shared ? student.maxLength : model.maxLength,
    shared,
    name: `${model.architecture} from ${given}`,
    id: `folder:${contentHash([paramsHash(start), contentHash(own.files)])}`,
    model,
    params: start,
    parameters: countParams(model.params),
  };
}
