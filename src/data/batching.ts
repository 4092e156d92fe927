import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';
import { createRng } from '../util/rng.ts';
import type { EncodeOptions, Side, Tokenizer } from './tokenizer/tokenizer.ts';

/** Token ids with equal lengths, as models take them; all int64 `[batch, length]`. */
export interface TokenBatch {
  inputIds: NDArray;
  /** 1 for tokens, 0 for padding. */
  attentionMask: NDArray;
  /** Only for pairs: 1 for the second text. */
  tokenTypeIds?: NDArray;
  /** Tokens of each row before padding. */
  lengths: number[];
}

export interface PadOptions {
  padId: number;
  /** Pad to the longest row, to a length, or to the smallest of several lengths that holds the longest row. */
  to?: 'longest' | number | readonly number[];
  side?: Side;
}

/** Rows of ids as a padded batch. Throws where a row is longer than every allowed length. */
export function padBatch(rows: readonly (readonly number[])[], options: PadOptions): TokenBatch {
  const lengths = rows.map((r) => r.length);
  const width = paddedLength(Math.max(0, ...lengths), options.to ?? 'longest');
  return {
    inputIds: padRows(rows, width, options.padId, options.side),
    attentionMask: padRows(
      rows.map((r) => r.map(() => 1)),
      width,
      0,
      options.side,
    ),
    lengths,
  };
}

/** Rows of whole numbers as int64 `[rows, width]`, filled up with `fill`. */
export function padRows(
  rows: readonly (readonly number[])[],
  width: number,
  fill: number,
  side: Side = 'right',
): NDArray {
  const data = new BigInt64Array(rows.length * width).fill(BigInt(fill));
  rows.forEach((row, r) => {
    const start = r * width + (side === 'left' ? width - row.length : 0);
    for (let i = 0; i < row.length; i++) data[start + i] = BigInt(row[i]);
  });
  return ndarray(data, [rows.length, width], 'int64');
}

/** Encodes texts, or pairs of texts, and pads them. */
export function encodeBatch(
  tokenizer: Tokenizer,
  texts: readonly (string | readonly [string, string])[],
  options: EncodeOptions & Partial<PadOptions> = {},
): TokenBatch {
  const padId = options.padId ?? padIdOf(tokenizer);
  const encoded = texts.map((t) =>
    typeof t === 'string'
      ? { ids: tokenizer.encode(t, options), typeIds: undefined }
      : tokenizer.encodePair(t[0], t[1], options),
  );
  const batch = padBatch(
    encoded.map((e) => e.ids),
    { ...options, padId },
  );
  if (!encoded.some((e) => e.typeIds)) return batch;
  const types = encoded.map((e) => e.typeIds ?? e.ids.map(() => 0));
  return { ...batch, tokenTypeIds: padRows(types, batch.inputIds.shape[1], 0, options.side) };
}

/** The id used for padding: the pad token, else the end-of-text token. */
export function padIdOf(tokenizer: Tokenizer): number {
  const id = tokenizer.special.pad ?? tokenizer.special.eos;
  if (id !== undefined) return id;
  throw new DecantError('model', 'the tokenizer has neither a pad nor an eos token', {
    at: 'tokenizer_config.json',
    fix: 'name one as pad_token, or give padId',
  });
}

/** The length a batch of rows up to `longest` is padded to. */
export function paddedLength(longest: number, to: 'longest' | number | readonly number[]): number {
  if (to === 'longest') return longest;
  const allowed = (typeof to === 'number' ? [to] : [...to]).sort((a, b) => a - b);
  const width = allowed.find((n) => n >= longest);
  if (width !== undefined) return width;
  throw new DecantError('data', 'a row is longer than the padded length', {
    seen: longest,
    allowed: `up to ${allowed.at(-1)}`,
    fix: 'set maxLength, or allow a longer length',
  });
}

/** At most `count` lengths that split the rows into equal shares, each rounded up to a multiple; the last holds all. */
export function chooseBuckets(lengths: readonly number[], count: number, multiple = 8): number[] {
  const sorted = [...lengths].sort((a, b) => a - b);
  const out = new Set<number>();
  for (let i = 1; i <= count && sorted.length > 0; i++) {
    const at = sorted[Math.ceil((sorted.length * i) / count) - 1];
    out.add(Math.max(multiple, Math.ceil(at / multiple) * multiple));
  }
  return [...out];
}

/**
 * Row numbers in batches whose rows share a bucket, so that little is padding; rows and batches are shuffled by the
 * seed. The last batch of a bucket may be short.
 */
export function batchesByLength(
  lengths: readonly number[],
  options: { batchSize: number; buckets: readonly number[]; seed: number | string },
): { rows: number[]; length: number }[] {
  const rng = createRng(options.seed);
  const byBucket = new Map<number, number[]>();
  for (const row of rng.shuffle(lengths.map((_, i) => i))) {
    const length = paddedLength(lengths[row], options.buckets);
    const rows = byBucket.get(length);
    if (rows) rows.push(row);
    else byBucket.set(length, [row]);
  }
  const batches: { rows: number[]; length: number }[] = [];
  for (const [length, rows] of byBucket) {
    for (let i = 0; i < rows.length; i += options.batchSize) {
      batches.push({ rows: rows.slice(i, i + options.batchSize), length });
    }
  }
  return rng.shuffle(batches);
}
