import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { supervised } from '../methods/logits/kd.ts';
import { column } from '../methods/objective.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import { countParams, type Params } from '../nn/params.ts';
import { type Signal, type SignalShelf, topKFromLogits } from '../teachers/store/index.ts';
import type { SignalColumns, TrainSettings } from '../train/job.ts';
import { languageSource, type TokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { trainArm } from './arm.ts';
import type { ModelSettings } from './build.ts';
import type { RunContext } from './context.ts';
import { buildDecoder, decoderFromFolder, sameVocabulary } from './decoder.ts';
import { type RowScorer, rowBatches } from './language-model.ts';
import { paramsHash } from './teacher.ts';
import { tokenizerFromFolder } from './text.ts';

/** A language model that teaches: its weights, and the identity under which its signals are stored. */
export interface LanguageTeacher {
  readonly name: string;
  readonly id: string;
  readonly model: DecoderModel;
  readonly params: Params<NDArray>;
  readonly parameters: number;
  readonly seconds?: number;
}

/** Rows of examples as every model of the run reads them. */
export type MakeRows = (examples: readonly Example[]) => TokenRows;

/** Opens the recipe's teacher: trained in place, or a local folder with the student's vocabulary. */
export async function languageTeacher(
  ctx: RunContext,
  tokenizer: Tokenizer,
  maxLength: number,
  rowsOf: MakeRows,
): Promise<LanguageTeacher> {
  const settings = ctx.recipe.teacher as
    | (ModelSettings & { kind: string; path?: string; train: TrainSettings })
    | undefined;
  if (settings?.kind === 'folder') return folderTeacher(ctx, settings.path!, tokenizer, maxLength);
  if (settings?.kind !== 'trained') {
    throw new DecantError('recipe', 'this kind of teacher cannot be used for task generate', {
      at: 'teacher.kind',
      seen: settings?.kind ?? 'no teacher',
      allowed: 'trained, folder',
    });
  }
  const examples = (ctx.data.splits.teacher ?? ctx.data.splits.train).items!;
  const built = await buildDecoder(settings, { tokenizer, maxLength, baseDir: ctx.baseDir, at: 'teacher' });
  const rows = rowsOf(examples);
  const trained = await trainArm(ctx, {
    name: 'teacher',
    title: 'teacher',
    seed: 1000,
    model: built.model as never,
    start: built.start,
    method: supervised,
    config: supervised.config.parse({}),
    settings: settings.train,
    source: languageSource(rows),
    depends: contentHash([tokenizer.files, maxLength]),
  });
  return {
    name: `${settings.architecture ?? settings.from}, trained in place`,
    id: `trained:${contentHash([paramsHash(trained.params), contentHash(tokenizer.files)])}`,
    model: built.model,
    params: trained.params,
    parameters: countParams(built.model.params),
    seconds: trained.seconds,
  };
}

async function folderTeacher(
  ctx: RunContext,
  given: string,
  tokenizer: Tokenizer,
  maxLength: number,
): Promise<LanguageTeacher> {
  const path = resolve(ctx.baseDir, given);
  if (!existsSync(path))
    throw new DecantError('recipe', 'there is nothing at this path', { at: 'teacher.path', seen: given });
  const own = await tokenizerFromFolder(path);
  if (!sameVocabulary(own, tokenizer)) {
    throw new DecantError('pairing', 'teacher and student split text into different tokens', {
      at: 'student.tokenizer',
      seen: `${tokenizer.size} tokens, the teacher ${own.size}`,
      allowed: "the teacher's tokenizer",
      fix: `set student.tokenizer.from to ${given}; token probabilities cannot be compared otherwise`,
    });
  }
  const { model, start } = await decoderFromFolder(path);
  if (model.maxLength < maxLength)
    throw new DecantError('pairing', 'the rows are longer than the teacher can read', {
      at: 'student.maxLength',
      seen: maxLength,
      allowed: `at most ${model.maxLength}`,
    });
  return {
    name: `${model.architecture} from ${given}`,
    id: `folder:${contentHash([paramsHash(start), contentHash(own.files)])}`,
    model,
    params: start,
    parameters: countParams(model.params),
  };
}

/** Vocabularies up to this many times k are stored whole: top-k would save little. */
const WHOLE = 2;

/**
 * The teacher's distribution at every position of the rows, from the store where it is kept, else computed and stored:
 * the k likeliest tokens and the mass of the rest, or all logits of a small vocabulary. Returned as batch columns.
 */
export async function languageSignals(
  rows: TokenRows,
  scorer: RowScorer,
  shelf: SignalShelf,
  options: {
    k: number;
    batchSize: number;
    check: () => void;
    onProgress: (done: number, of: number) => void;
  },
): Promise<{ columns: SignalColumns; asked: number }> {
  const key = (i: number): unknown => ({ ids: [...rows.rows[i].ids] });
  const missing = new Map<string, number>();
  for (let i = 0; i < rows.size; i++) {
    const id = shelf.key(key(i));
    if (!shelf.has(key(i)) && !missing.has(id)) missing.set(id, i);
  }
  const wanted = new Set(missing.values());
  let done = 0;
  for (const batch of rowBatches(rows, options.batchSize)) {
    const chosen = batch.filter((i) => wanted.has(i));
    if (chosen.length === 0) continue;
    options.check();
    const logits = await scorer.logits(rows, chosen);
    const [, width, vocab] = logits.shape;
    await Promise.all(
      chosen.map((i, r) => {
        const from = r * width * vocab;
        const own = ndarray((logits.data as Float32Array).slice(from, from + rows.lengths[i] * vocab), [
          rows.lengths[i],
          vocab,
        ]);
        const signal: Signal =
          vocab <= WHOLE * options.k ? { form: 'logits', logits: own } : topKFromLogits(own, options.k);
        return shelf.put(key(i), signal);
      }),
    );
    done += chosen.length;
    options.onProgress(done, wanted.size);
  }
  return { columns: (chosen) => signalColumns(rows, shelf, key, chosen), asked: wanted.size };
}

function signalColumns(
  rows: TokenRows,
  shelf: SignalShelf,
  key: (i: number) => unknown,
  chosen: readonly number[],
): Record<string, NDArray> {
  const width = rows.labels(chosen).shape[1];
  const signals = chosen.map((i) => {
    const signal = shelf.get(key(i));
    if (signal?.form !== 'logits' && signal?.form !== 'topk')
      throw new DecantError('teacher', 'the store lost a signal that was written', {
        at: `row ${i}`,
        seen: signal?.form ?? 'nothing',
      });
    return signal;
  });
  const [first] = signals;
  if (first.form === 'logits') {
    const vocab = first.logits.shape[1];
    const out = new Float32Array(chosen.length * width * vocab);
    signals.forEach((s, r) => {
      if (s.form === 'logits') out.set(s.logits.data as Float32Array, r * width * vocab);
    });
    return { [column.teacherLogits]: ndarray(out, [chosen.length, width, vocab]) };
  }
  const { k } = first;
  const ids = new Int32Array(chosen.length * width * k);
  const logp = new Float32Array(ids.length);
  // positions of padding are masked; they still need distinct ids and a distribution
  for (let i = 0; i < ids.length; i++) {
    ids[i] = i % k;
    logp[i] = -Math.log(k + 1);
  }
  signals.forEach((s, r) => {
    if (s.form !== 'topk') return;
    ids.set(s.ids, r * width * k);
    logp.set(s.logp, r * width * k);
  });
  const shape = [chosen.length, width, k];
  return { [column.topkIds]: ndarray(ids, shape), [column.topkLogp]: ndarray(logp, shape) };
}
