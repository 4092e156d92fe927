import type { NDArray } from '../../graph/ndarray.ts';

/** Logits of every position over the whole vocabulary. */
export interface LogitsSignal {
  form: 'logits';
  /** `[rows, vocab]`, float32 or float16 */
  logits: NDArray;
}

/**
 * The k most likely ids of every position with natural log-probabilities at temperature 1, largest first, and the
 * log of the mass that is left (the tail bucket): a proper distribution over k + 1 outcomes.
 */
export interface TopKSignal {
  form: 'topk';
  rows: number;
  k: number;
  vocab: number;
  /** `[rows, k]`; -1 pads rows for which fewer ids are known */
  ids: Int32Array;
  /** `[rows, k]`; -Infinity where padded */
  logp: Float32Array;
  /** `[rows]`; -Infinity where nothing is left */
  logTail: Float32Array;
}

/** Generated text with whatever else came with it (usage, finish reason, the provider's raw answer): a JSON value. */
export interface TextSignal {
  form: 'text';
  text: string;
  meta?: unknown;
}

/** Named arrays of hidden activations, float32 or float16, any shape. */
export interface HiddenSignal {
  form: 'hidden';
  arrays: Record<string, NDArray>;
}

/** Scores: one reward, log-probabilities of given tokens, similarities …, float64. */
export interface ScoreSignal {
  form: 'score';
  values: Float64Array;
}

/** What a teacher knows about one input. */
export type Signal = LogitsSignal | TopKSignal | TextSignal | HiddenSignal | ScoreSignal;

/** How top-k values are packed: see `packed.ts`. */
export interface PackedOptions {
  /** Largest values kept as float16; default 4. */
  exact?: number;
  /** Degree of the polynomial in the logarithm of the rank; default 3. */
  degree?: number;
  /** Bits of each quantized residual, 2 to 12; default 6. */
  bits?: number;
}

/** How a signal is written. Reading needs no option: every record says how it was written. */
export interface Encoding {
  /** Numbers of logits, top-k values and hidden arrays; default float32 (float16 hidden arrays stay float16). */
  precision?: 'float32' | 'float16';
  /** Pack top-k signals; `true` for the defaults. */
  packed?: boolean | PackedOptions;
}
