import { chooseBuckets, paddedLength, padIdOf } from '../data/batching.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';

/** Examples as model inputs, made row by row on demand: what training, teachers and evaluation read. */
export interface Encoded {
  readonly size: number;
  readonly examples: readonly Example[];
  /** Tokens of each row; undefined for inputs of one size. */
  readonly lengths?: readonly number[];
  /** Model inputs of the rows, by the model's input names; `[rows, ...]`. */
  inputs(rows: readonly number[]): Record<string, NDArray>;
}

export interface TextEncoding {
  tokenizer: Tokenizer;
  /** Longest input in tokens, special ones included. */
  maxLength: number;
  /** Lengths that batches are padded to; default: the longest row of the batch, rounded up to a multiple of 8. */
  buckets?: readonly number[];
}

/** Texts as `input_ids` and `attention_mask`, int32 `[rows, length]`; pairs also `token_type_ids`. */
export function encodeTexts(
  examples: readonly Example[],
  { tokenizer, maxLength, buckets }: TextEncoding,
): Encoded {
  const padId = padIdOf(tokenizer);
  const rows = examples.map((e) => {
    const text = e.text ?? e.prompt ?? '';
    if (e.pair === undefined)
      return { ids: Int32Array.from(tokenizer.encode(text, { maxLength })), types: undefined };
    const both = tokenizer.encodePair(text, e.pair, { maxLength });
    return { ids: Int32Array.from(both.ids), types: both.typeIds };
  });
  const lengths = rows.map((r) => Math.max(1, r.ids.length));
  const pairs = rows.some((r) => r.types);
  return {
    size: rows.length,
    examples,
    lengths,
    inputs(chosen) {
      const longest = Math.max(...chosen.map((i) => lengths[i]));
      const width =
        buckets && longest <= buckets[buckets.length - 1]
          ? paddedLength(longest, buckets)
          : Math.min(Math.ceil(longest / 8) * 8, Math.max(maxLength, longest));
      const ids = new Int32Array(chosen.length * width).fill(padId);
      const mask = new Int32Array(chosen.length * width);
      const types = new Int32Array(pairs ? chosen.length * width : 0);
      chosen.forEach((row, r) => {
        ids.set(rows[row].ids, r * width);
        mask.fill(1, r * width, r * width + rows[row].ids.length);
        if (rows[row].types) types.set(rows[row].types, r * width);
      });
      const shape = [chosen.length, width];
      return {
        input_ids: ndarray(ids, shape),
        attention_mask: ndarray(mask, shape),
        ...(pairs ? { token_type_ids: ndarray(types, shape) } : {}),
      };
    },
  };
}

/** Buckets for the lengths that occur, at most `count`. */
export const bucketsFor = (encoded: Encoded, count: number): number[] | undefined =>
  encoded.lengths && encoded.size > 0 ? chooseBuckets(encoded.lengths, count) : undefined;

/** Per-channel mean and standard deviation of pixels scaled to [0, 1]. */
export interface PixelScale {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Mean and deviation of each channel over (at most 2,000 of) the examples. */
export function pixelScale(examples: readonly Example[]): PixelScale {
  const sample = examples.slice(0, 2000);
  const channels = sample[0].shape![2];
  const sum = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let n = 0;
  for (const { image } of sample) {
    for (let i = 0; i < image!.length; i++) {
      const v = image![i] / 255;
      sum[i % channels] += v;
      squares[i % channels] += v * v;
    }
    n += image!.length / channels;
  }
  const mean = [...sum].map((s) => s / n);
  return { mean, std: mean.map((m, c) => Math.max(Math.sqrt(Math.max(squares[c] / n - m * m, 0)), 1e-3)) };
}

/** Images as `pixel_values` float32 `[rows, channels, height, width]`, normalized, and the same flattened as `features`. */
export function encodeImages(examples: readonly Example[], scale: PixelScale): Encoded {
  const first = examples[0]?.shape;
  const wrong = examples.find((e) => e.shape?.some((d, i) => d !== first![i]));
  if (wrong) {
    throw new DecantError('data', 'images differ in size', {
      at: `${wrong.file}:${wrong.line}`,
      seen: wrong.shape,
      allowed: String(first),
      fix: 'set data.image.size and data.image.channels',
    });
  }
  const [height, width, channels] = first ?? [0, 0, 0];
  const area = height * width;
  return {
    size: examples.length,
    examples,
    inputs(rows) {
      const out = new Float32Array(rows.length * channels * area);
      rows.forEach((row, r) => {
        const image = examples[row].image!;
        for (let i = 0; i < area; i++) {
          for (let c = 0; c < channels; c++) {
            out[(r * channels + c) * area + i] =
              (image[i * channels + c] / 255 - scale.mean[c]) / scale.std[c];
          }
        }
      });
      return {
        pixel_values: ndarray(out, [rows.length, channels, height, width]),
        features: ndarray(out, [rows.length, channels * area]),
      };
    },
  };
}

/** Feature vectors as `features` float32 `[rows, width]`, standardized by the mean and deviation given. */
export function encodeFeatures(examples: readonly Example[], scale: PixelScale): Encoded {
  const width = scale.mean.length;
  return {
    size: examples.length,
    examples,
    inputs(rows) {
      const out = new Float32Array(rows.length * width);
      rows.forEach((row, r) => {
        const f = examples[row].features!;
        for (let i = 0; i < width; i++) out[r * width + i] = (f[i] - scale.mean[i]) / scale.std[i];
      });
      return { features: ndarray(out, [rows.length, width]) };
    },
  };
}

/** Mean and deviation of each feature. */
export function featureScale(examples: readonly Example[]): PixelScale {
  const width = examples[0].features!.length;
  const mean = Array.from(
    { length: width },
    (_, i) => examples.reduce((s, e) => s + e.features![i], 0) / examples.length,
  );
  const std = mean.map((m, i) =>
    Math.max(Math.sqrt(examples.reduce((s, e) => s + (e.features![i] - m) ** 2, 0) / examples.length), 1e-6),
  );
  return { mean, std };
}
