import { z } from 'zod';
import { DecantError } from '../../util/errors.ts';
import type { AnyModel } from '../model.ts';
import type { DecoderModel } from '../models/llama.ts';

/** What the data says about a model to be made. */
export interface ModelInfo {
  readonly classes?: number;
  readonly vocabSize?: number;
  readonly maxLength?: number;
  readonly padId?: number;
  readonly imageSize?: number;
  readonly channels?: number;
  readonly features?: number;
  /** Each row of features is to be divided by its sum. */
  readonly rowScale?: boolean;
  /** Numbers in a sample, for generative models of vectors. */
  readonly dimensions?: number;
  /** The id that ends a text. */
  readonly eosId?: number;
}

export interface Architecture {
  readonly tasks: readonly string[];
  readonly summary: string;
  /** Schema of the sizes that a recipe may set; the rest follows from the data. */
  readonly options: z.ZodType;
  make(options: never, info: ModelInfo): AnyModel | DecoderModel;
}

export const define = <O>(a: {
  tasks: readonly string[];
  summary: string;
  options: z.ZodType<O>;
  make(options: O, info: ModelInfo): AnyModel | DecoderModel;
}): Architecture => a as unknown as Architecture;

export const positive = z.int().positive();
export const rate = z.number().min(0).lt(1);
export const need = <K extends Exclude<keyof ModelInfo, 'rowScale'>>(info: ModelInfo, key: K): number => {
  const v = info[key];
  if (v === undefined)
    throw new DecantError('internal', `the data did not give '${key}', which the model needs`);
  return v;
};
/** What every text model takes from its tokenizer. */
export const textInfo = (info: ModelInfo) => ({
  vocab_size: need(info, 'vocabSize'),
  pad_token_id: info.padId ?? 0,
});

/** Sizes of an encoder in the words of recipes. */
export const encoderOptions = z.strictObject({
  layers: positive.default(4).describe('transformer layers'),
  hidden: positive.default(128).describe('width of a token state'),
  heads: positive.default(4).describe('attention heads'),
  intermediate: positive.optional().describe('width of the feed-forward layer (4 × hidden when absent)'),
  dropout: rate.default(0.1).describe('dropout of hidden states'),
  attentionDropout: rate.default(0).describe('dropout of attention weights'),
});

export type EncoderOptions = z.infer<typeof encoderOptions>;
