import { DecantError } from '../util/errors.ts';
import { logProbabilities, topEntries } from './sampling.ts';
import type { Cache, DecoderSession } from './session.ts';

export interface ContrastiveOptions {
  /** Candidates at each position; default 5. */
  k?: number;
  /** Weight of the penalty; 0 is greedy search. Default 0.6. */
  alpha?: number;
  /** Default 128. */
  maxTokens?: number;
  eos?: readonly number[];
}

export interface ContrastiveResult {
  readonly ids: number[];
  /** log p(token | before), nats. */
  readonly logp: number[];
  readonly finish: 'eos' | 'length';
}

/**
 * Contrastive search: among the k likeliest tokens, the one with the largest (1 - α) p(v) - α max_j cos(h_v, h_j),
 * where h are last hidden states and j runs over all tokens before. One run of k rows per token. The session's graph
 * must give hidden states (`decoderOnnx` with `hidden`).
 *
 * @source Su et al. 2022 (2202.06417), equation 5
 */
export async function contrastiveSearch(
  session: DecoderSession,
  prompt: readonly number[],
  { k = 5, alpha = 0.6, maxTokens = 128, eos = [] }: ContrastiveOptions = {},
): Promise<ContrastiveResult> {
  if (!session.hasHidden)
    throw new DecantError('model', 'contrastive search needs the hidden states of the decoder', {
      fix: 'write the ONNX file with `hidden: true`',
    });
  const first = await session.step([prompt], { all: true });
  const width = first.hidden!.length / prompt.length;
  const unit = (h: Float32Array): Float32Array => {
    const norm = Math.sqrt(h.reduce((s, x) => s + x * x, 0)) || 1;
    return h.map((x) => x / norm);
  };
  const row = (all: Float32Array, i: number, size: number): Float32Array =>
    all.slice(i * size, (i + 1) * size);
  const before = prompt.map((_, i) => unit(row(first.hidden!, i, width)));
  let logits = row(first.logits, prompt.length - 1, first.vocab);
  let cache: Cache = first.cache;
  const ids: number[] = [];
  const logp: number[] = [];
  const room = (session.contextLength ?? Number.POSITIVE_INFINITY) - prompt.length;
  while (ids.length < Math.min(maxTokens, room)) {
    const { ids: candidates, values } = topEntries(logProbabilities(logits), k);
    const step = await session.step(
      candidates.map((id) => [id]),
      {
        cache: session.pick(
          cache,
          candidates.map(() => 0),
        ),
      },
    );
    const states = candidates.map((_, i) => unit(row(step.hidden!, i, width)));
    let best = 0;
    let bestScore = Number.NEGATIVE_INFINITY;
    states.forEach((h, i) => {
      let nearest = -1;
      for (const other of before) {
        let cos = 0;
        for (let d = 0; d < width; d++) cos += h[d] * other[d];
        if (cos > nearest) nearest = cos;
      }
      const score = (1 - alpha) * Math.exp(values[i]) - alpha * nearest;
      if (score > bestScore) [best, bestScore] = [i, score];
    });
    if (eos.includes(candidates[best])) return { ids, logp, finish: 'eos' };
    ids.push(candidates[best]);
    logp.push(values[best]);
    before.push(states[best]);
    cache = session.pick(step.cache, [best]);
    logits = row(step.logits, best, step.vocab);
  }
  return { ids, logp, finish: 'length' };
}
