import { isAbsolute, resolve } from 'node:path';
import { padIdOf } from '../data/batching.ts';
import { createTokenizer, type Tokenizer } from '../data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../data/tokenizer/train.ts';
import type { Example } from '../data/types.ts';
import { readModelFolder } from '../export/folder.ts';
import { assertShapes } from '../export/shapes.ts';
import { castArray, type NDArray } from '../graph/index.ts';
import { isDecoder, modelFromConfig } from '../nn/auto.ts';
import { architectureCatalogue } from '../nn/catalogue.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';
import { DecantError } from '../util/errors.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import type { ModelSettings } from './build.ts';
import { withLayers } from './reduced.ts';
import { type TokenizerSettings, tokenizerFromFolder } from './text.ts';

/** A decoder language model, with weights where they exist. */
export interface BuiltDecoder {
  readonly model: DecoderModel;
  readonly start?: Params<NDArray>;
}

const DEFAULT_TOKENIZER: TokenizerSettings = {
  kind: 'bpe',
  vocabSize: 2048,
  minFrequency: 2,
  lowercase: false,
};

export const languageTextOf = (e: Example): string =>
  e.prompt === undefined ? (e.text ?? '') : `${e.prompt}\n${e.response ?? ''}`;

/** The tokenizer of a model: of its folder, of the folder named, or trained on the texts (byte-level BPE by default). */
export async function decoderTokenizer(
  settings: ModelSettings,
  examples: readonly Example[],
  baseDir: string,
): Promise<Tokenizer> {
  const local = (p: string): string => (isAbsolute(p) ? p : resolve(baseDir, p));
  if (settings.from) return tokenizerFromFolder(local(settings.from));
  const t = settings.tokenizer ?? DEFAULT_TOKENIZER;
  if (t.from) return tokenizerFromFolder(local(t.from));
  const files = trainTokenizer(
    t.kind,
    (function* () {
      for (const e of examples) yield languageTextOf(e);
    })(),
    { vocabSize: t.vocabSize, minFrequency: t.minFrequency, lowercase: t.lowercase, ...special(t) },
  );
  return createTokenizer(files.tokenizer, files.tokenizerConfig);
}

/** A language model needs a token that ends texts; WordPiece has none of its own. */
const special = (t: TokenizerSettings) =>
  t.kind === 'wordpiece' ? { special: { pad: '[PAD]', unk: '[UNK]', eos: '[EOS]' } } : {};

/** Longest row of the data in predictions: the 99th percentile, rounded up to a multiple of 8, at most 256. */
export function usualRowLength(tokenizer: Tokenizer, examples: readonly Example[]): number {
  const lengths = examples
    .map((e) => tokenizer.encode(languageTextOf(e), { addSpecial: false }).length + 1)
    .sort((a, b) => a - b);
  const p99 = lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * 0.99))] ?? 8;
  return Math.min(256, Math.max(8, Math.ceil(p99 / 8) * 8));
}

/** A decoder from scratch for the tokenizer, or one of a folder with its weights. */
export async function buildDecoder(
  settings: ModelSettings,
  info: { tokenizer: Tokenizer; maxLength: number; baseDir: string; at: string },
): Promise<BuiltDecoder> {
  if (settings.from)
    return withLayers(await decoderFromFolder(resolve(info.baseDir, settings.from)), settings.layers);
  const entry = architectureCatalogue[settings.architecture ?? ''];
  const fitting = Object.entries(architectureCatalogue)
    .filter(([, a]) => a.tasks.includes('generate'))
    .map(([n]) => n)
    .join(', ');
  if (!entry?.tasks.includes('generate')) {
    throw new DecantError(
      'recipe',
      entry ? 'the architecture does not serve task generate' : 'unknown architecture',
      {
        at: `${info.at}.architecture`,
        seen: settings.architecture,
        allowed: fitting,
      },
    );
  }
  const parsed = entry.options.safeParse(settings.options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DecantError('recipe', issue.message, {
      at: [info.at, 'options', ...issue.path].join('.'),
      seen: settings.options,
    });
  }
  const model = entry.make(parsed.data as never, {
    vocabSize: info.tokenizer.size,
    maxLength: info.maxLength,
    padId: padIdOf(info.tokenizer),
    eosId: info.tokenizer.special.eos,
  });
  if (!isDecoder(model))
    throw new DecantError('recipe', 'the architecture writes no text', {
      at: `${info.at}.architecture`,
      seen: settings.architecture,
      allowed: fitting,
    });
  return { model };
}

/** A decoder and its weights from a folder in the Hugging Face layout. */
export async function decoderFromFolder(path: string): Promise<Required<BuiltDecoder>> {
  const folder = await readModelFolder(diskFolder(path), ['config', 'weights', 'tokenizer']);
  const model = modelFromConfig(folder.config!);
  if (!isDecoder(model))
    throw new DecantError('model', 'the folder holds no decoder language model', {
      at: path,
      seen: model.architecture,
    });
  const read = await folder.checkpoint!.readAll();
  const wanted = Object.entries(model.params).filter(([, p]) => p.tiedTo === undefined);
  const missing = wanted.filter(([n]) => !read.has(n)).map(([n]) => n);
  if (missing.length > 0)
    throw new DecantError('model', `the checkpoint lacks ${missing.length} parameters`, {
      at: path,
      seen: missing.slice(0, 5).join(', '),
    });
  const start = Object.fromEntries(wanted.map(([n]) => [n, castArray(read.get(n)!, 'float32')]));
  assertShapes(
    Object.fromEntries(wanted.map(([n, p]) => [n, p.shape])),
    Object.fromEntries(Object.entries(start).map(([n, a]) => [n, a.shape])),
    { at: path },
  );
  return { model, start };
}

/** Two tokenizers are one vocabulary when every id is spelled alike. */
export function sameVocabulary(a: Tokenizer, b: Tokenizer): boolean {
  const [x, y] = [a.vocabulary(), b.vocabulary()];
  return x.length === y.length && x.every((t, i) => t === y[i]);
}
