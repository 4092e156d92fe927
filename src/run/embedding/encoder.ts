import { resolve } from 'node:path';
import { padIdOf } from '../../data/batching.ts';
import type { Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import type { Example } from '../../data/types.ts';
import type { Engine } from '../../engine/engine.ts';
import type { NDArray } from '../../graph/index.ts';
import { SENTENCE } from '../../methods/ranking/embedding-kd.ts';
import { architectureCatalogue } from '../../nn/catalogue.ts';
import { createInference } from '../../nn/inference.ts';
import type { AnyModel } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { bucketsFor, type Encoded, encodeTexts } from '../../train/encoded.ts';
import { inferAll } from '../../train/infer.ts';
import { DecantError } from '../../util/errors.ts';
import type { ModelSettings } from '../build.ts';
import { rankerFromFolder } from '../rank/build.ts';
import { towerParams, towersOf } from '../rank/search.ts';
import { tokenizerDefaults, tokenizerFor, usualMaxLength } from '../text.ts';

/** A sentence encoder with what turns texts into its inputs. */
export interface BuiltEncoder {
  readonly model: AnyModel;
  readonly start?: Params<NDArray>;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  /** Width of a vector. */
  readonly width: number;
  encode(texts: readonly string[], buckets?: number): Encoded;
}

export interface EncoderInfo {
  readonly texts: readonly string[];
  readonly baseDir: string;
  readonly at: string;
}

/** Builds a sentence encoder for the texts, or takes one of a folder. Errors: `recipe`, `model`. */
export async function buildEncoder(settings: ModelSettings, info: EncoderInfo): Promise<BuiltEncoder> {
  if (settings.from) return encoderOfFolder(resolve(info.baseDir, settings.from), settings, info);
  const wanted = settings.tokenizer ?? tokenizerDefaults;
  const tokenizer = await tokenizerFor(
    wanted.from ? { ...wanted, from: resolve(info.baseDir, wanted.from) } : wanted,
    info.texts,
    512,
  );
  const maxLength = settings.maxLength ?? usualMaxLength(tokenizer, info.texts);
  const entry = architectureCatalogue[settings.architecture ?? ''];
  if (!entry?.tasks.includes('embed'))
    throw new DecantError('recipe', entry ? 'the architecture gives no vectors' : 'unknown architecture', {
      at: `${info.at}.architecture`,
      seen: settings.architecture,
      allowed: Object.entries(architectureCatalogue)
        .filter(([, a]) => a.tasks.includes('embed'))
        .map(([n]) => n)
        .join(', '),
    });
  const parsed = entry.options.safeParse(settings.options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DecantError('recipe', issue.message, {
      at: [info.at, 'options', ...issue.path].join('.'),
      seen: settings.options,
    });
  }
  const model = entry.make(parsed.data as never, {
    vocabSize: tokenizer.size,
    maxLength,
    padId: padIdOf(tokenizer),
  }) as AnyModel;
  return encoder(model, tokenizer, maxLength);
}

/** The sentence encoder of a model folder; a plain BERT or DistilBERT is pooled by the mean of its tokens. */
export async function encoderOfFolder(
  path: string,
  settings: Pick<ModelSettings, 'maxLength'>,
  info: EncoderInfo,
): Promise<BuiltEncoder> {
  const built = await rankerFromFolder(path, settings, {
    documents: info.texts,
    queries: info.texts,
    baseDir: info.baseDir,
    at: info.at,
  });
  const tower = towersOf(built.model)?.query;
  if (!tower)
    throw new DecantError('model', 'the folder holds no sentence encoder', {
      at: path,
      seen: built.model.architecture,
      allowed: 'SentenceEncoder, DualEncoder, BertModel, DistilBertModel',
    });
  return encoder(tower.model, built.tokenizer, built.documentLength, towerParams(tower, built.start!));
}

const encoder = (
  model: AnyModel,
  tokenizer: Tokenizer,
  maxLength: number,
  start?: Params<NDArray>,
): BuiltEncoder => ({
  model,
  start,
  tokenizer,
  maxLength,
  width: Number(model.config.projection || model.config.hidden_size || model.config.dim),
  encode(texts, buckets = 0) {
    const rows = texts.map((text, i): Example => ({ file: 'text', line: i + 1, text }));
    const plain = encodeTexts(rows, { tokenizer, maxLength });
    const lengths = buckets > 0 ? bucketsFor(plain, buckets) : undefined;
    return lengths ? encodeTexts(rows, { tokenizer, maxLength, buckets: lengths }) : plain;
  },
});

/** Vectors of texts by some parameters, `[texts, width]`. */
export async function embedTexts(
  engine: Engine,
  built: BuiltEncoder,
  params: Params<NDArray>,
  texts: readonly string[],
): Promise<NDArray> {
  const inference = createInference(engine, built.model, { outputs: [SENTENCE] });
  try {
    await inference.setParams(params);
    return await inferAll(inference, built.encode(texts), Object.keys(built.model.inputs), {
      output: SENTENCE,
    });
  } finally {
    await inference.dispose();
  }
}
