import { paddedLength } from '../data/batching.ts';
import { promptResponse } from '../data/prompt-response.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import type { BatchSource } from './batches.ts';
import type { SignalColumns } from './job.ts';

/** One row of a language model's training data. Position t predicts token t + 1. */
export interface TokenRow {
  readonly ids: readonly number[];
  /** 1 where a token is to be learned (a response), 0 for prompts and what begins a text. */
  readonly learned: readonly number[];
  /** Which example it comes from. */
  readonly example: number;
}

export interface TokenRows {
  readonly size: number;
  readonly rows: readonly TokenRow[];
  /** Predictions of each row: one fewer than its tokens. */
  readonly lengths: readonly number[];
  /** Inputs of chosen rows padded on the right: `input_ids`, `attention_mask`, int32 `[rows, length]`. */
  inputs(chosen: readonly number[]): Record<'input_ids' | 'attention_mask', NDArray>;
  /** Next tokens, aligned with the logits: int32 `[rows, length]`, -100 where nothing is learned. */
  labels(chosen: readonly number[]): NDArray;
}

/** The token that stands before a text: bos, else what ends texts. */
export function beginToken(tokenizer: Tokenizer): number {
  const id = tokenizer.special.bos ?? tokenizer.special.eos;
  if (id === undefined)
    throw new DecantError('model', 'the tokenizer has neither a bos nor an eos token to begin texts with', {
      at: 'tokenizer_config.json',
      fix: 'name one as eos_token',
    });
  return id;
}

/**
 * Texts, or prompts with responses, as rows of at most `maxLength` predictions. Whole texts are learned from the first
 * token to the eos token, longer ones cut into rows that share one token; of prompts with responses only the
 * response is learned. Rows without anything to learn are left out.
 */
export function tokenRows(
  examples: readonly Example[],
  { tokenizer, maxLength, buckets }: { tokenizer: Tokenizer; maxLength: number; buckets?: readonly number[] },
): TokenRows {
  const begin = beginToken(tokenizer);
  const { eos } = tokenizer.special;
  const padId = tokenizer.special.pad ?? eos ?? 0;
  const rows: TokenRow[] = [];
  examples.forEach((e, example) => {
    if (e.prompt !== undefined) {
      if (e.response === undefined) return;
      const { ids, mask } = promptResponse(tokenizer, e.prompt, e.response, { maxLength: maxLength + 1 });
      // something must stand before the first learned token
      if (mask[0] === 1) rows.push({ ids: [begin, ...ids], learned: [0, ...mask], example });
      else rows.push({ ids, learned: mask, example });
      return;
    }
    const text = tokenizer.encode(e.text ?? '', { addSpecial: false });
    const ids = [begin, ...text, ...(eos === undefined ? [] : [eos])];
    for (let from = 0; from + 1 < ids.length; from += maxLength) {
      const part = ids.slice(from, from + maxLength + 1);
      rows.push({ ids: part, learned: part.map((_, i) => (i === 0 ? 0 : 1)), example });
    }
  });
  return paddedRows(
    rows.filter((r) => r.learned.includes(1)),
    { padId, maxLength, buckets },
  );
}

/** Rows of tokens with what models take of them; batches are padded to a bucket, else to a multiple of 8. */
export function paddedRows(
  rows: readonly TokenRow[],
  { padId, maxLength, buckets }: { padId: number; maxLength: number; buckets?: readonly number[] },
): TokenRows {
  const lengths = rows.map((r) => r.ids.length - 1);
  const widthOf = (chosen: readonly number[]): number => {
    const longest = Math.max(...chosen.map((i) => lengths[i]));
    if (buckets && longest <= buckets[buckets.length - 1]) return paddedLength(longest, buckets);
    return Math.max(longest, Math.min(Math.ceil(longest / 8) * 8, maxLength));
  };
  const filled = (chosen: readonly number[], pad: number, value: (row: TokenRow, t: number) => number) => {
    const width = widthOf(chosen);
    const out = new Int32Array(chosen.length * width).fill(pad);
    chosen.forEach((i, r) => {
      for (let t = 0; t < lengths[i]; t++) out[r * width + t] = value(rows[i], t);
    });
    return ndarray(out, [chosen.length, width]);
  };
  return {
    size: rows.length,
    rows,
    lengths,
    inputs: (chosen) => ({
      input_ids: filled(chosen, padId, (row, t) => row.ids[t]),
      attention_mask: filled(chosen, 0, () => 1),
    }),
    labels: (chosen) => filled(chosen, -100, (row, t) => (row.learned[t + 1] ? row.ids[t + 1] : -100)),
  };
}

/** Rows of tokens as training batches: inputs, labels, `mask/tokens`, and the teacher's columns. */
export function languageSource(rows: TokenRows, signals?: SignalColumns): BatchSource {
  return {
    size: rows.size,
    lengths: rows.lengths,
    async collate(chosen) {
      const { input_ids, attention_mask } = rows.inputs(chosen);
      const labels = rows.labels(chosen);
      const ones = ndarray(new Float32Array(chosen.length).fill(1), [chosen.length]);
      return {
        'input/input_ids': input_ids,
        'input/attention_mask': attention_mask,
        labels,
        'mask/examples': ones,
        'mask/labelled': ones,
        'mask/tokens': ndarray(
          Float32Array.from(labels.data as Int32Array, (l) => (l === -100 ? 0 : 1)),
          labels.shape,
        ),
        ...(signals ? await signals(chosen) : {}),
      };
    },
  };
}
