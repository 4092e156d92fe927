import type { Rng } from '../util/rng.ts';

/** How the next token is chosen from the logits. */
export interface SamplingOptions {
  /** 0 (default): the likeliest token; else logits are divided by it before sampling. */
  temperature?: number;
  /** Sample among the k likeliest tokens only; 0 (default): all. */
  topK?: number;
  /** Sample among the fewest tokens whose probabilities reach p (Holtzman et al. 2020); default 1: all. */
  topP?: number;
  /** Drop tokens less likely than minP times the likeliest (Nguyen et al. 2024); default 0. */
  minP?: number;
  /** Logits of tokens seen are divided (or, below 0, multiplied) by it (Keskar et al. 2019); default 1. */
  repetitionPenalty?: number;
  /** Taken off a token's logit once for each time it was generated; default 0. */
  frequencyPenalty?: number;
  /** Taken off a token's logit once if it was generated at all; default 0. */
  presencePenalty?: number;
}

export interface TokenHistory {
  /** Tokens of the prompt. */
  readonly context: readonly number[];
  /** Tokens generated after it. */
  readonly ids: readonly number[];
}

/** Changes a row of logits in place by the penalties on what was said already. */
export function penalize(logits: Float32Array, history: TokenHistory, options: SamplingOptions): void {
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = options;
  if (repetitionPenalty !== 1) {
    for (const id of new Set([...history.context, ...history.ids]))
      logits[id] = logits[id] > 0 ? logits[id] / repetitionPenalty : logits[id] * repetitionPenalty;
  }
  if (frequencyPenalty !== 0 || presencePenalty !== 0) {
    const counts = new Map<number, number>();
    for (const id of history.ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const [id, n] of counts) logits[id] -= frequencyPenalty * n + presencePenalty;
  }
}

/** log Σ exp of a row. */
export function logSumExp(logits: Float32Array): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i] > top) top = logits[i];
  if (top === Number.NEGATIVE_INFINITY) return top;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - top);
  return top + Math.log(sum);
}

/** log softmax of a row, as a new array. */
export function logProbabilities(logits: Float32Array): Float32Array {
  const log = logSumExp(logits);
  return logits.map((x) => x - log);
}

/** The likeliest token; the first of equals. */
export function argmax(row: Float32Array): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

/** The k largest entries, largest first; equals in order of their index. */
export function topEntries(row: Float32Array, k: number): { ids: number[]; values: number[] } {
  const ids: number[] = [];
  for (let i = 0; i < row.length; i++) {
    if (ids.length === k && row[i] <= row[ids[k - 1]]) continue;
    let at = ids.length;
    while (at > 0 && row[ids[at - 1]] < row[i]) at--;
    ids.splice(at, 0, i);
    if (ids.length > k) ids.pop();
  }
  return { ids, values: ids.map((i) => row[i]) };
}

/**
 * Probabilities that sampling uses: temperature first, then top-k, top-p, min-p, renormalised. Entries that are
 * dropped have probability 0.
 */
export function samplingDistribution(logits: Float32Array, options: SamplingOptions): Float64Array {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const n = logits.length;
  let top = Number.NEGATIVE_INFINITY;
  for (const x of logits) if (x > top) top = x;
  const p = new Float64Array(n);
  for (let i = 0; i < n; i++) p[i] = Math.exp((logits[i] - top) / temperature);
  if ((topK > 0 && topK < n) || topP < 1) {
    const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => p[b] - p[a] || a - b);
    const kept = topK > 0 ? Math.min(topK, n) : n;
    let total = 0;
    for (let i = 0; i < kept; i++) total += p[order[i]];
    let reached = 0;
    for (let i = 0; i < n; i++) {
      // the token that crosses p still belongs
      if (i >= kept || (topP < 1 && i > 0 && reached >= topP * total)) p[order[i]] = 0;
      else reached += p[order[i]];
    }
  }
  if (minP > 0) for (let i = 0; i < n; i++) if (p[i] < minP) p[i] = 0;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += p[i];
  for (let i = 0; i < n; i++) p[i] /= sum;
  return p;
}

/** Draws an index from probabilities. */
export function draw(p: Float64Array, rng: Rng): number {
  let u = rng.uniform();
  let last = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i] === 0) continue;
    last = i;
    u -= p[i];
    if (u < 0) return i;
  }
  return last;
}

/** Chooses the next token from a row of logits (already penalized and constrained). */
export const chooseToken = (logits: Float32Array, options: SamplingOptions, rng: Rng): number =>
  (options.temperature ?? 0) === 0 ? argmax(logits) : draw(samplingDistribution(logits, options), rng);
