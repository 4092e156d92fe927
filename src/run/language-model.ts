import type { Engine } from '../engine/engine.ts';
import type { NDArray } from '../graph/index.ts';
import { createInference } from '../nn/inference.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';
import { chunk } from '../train/batches.ts';
import type { TokenRows } from '../train/language.ts';

/** Logits of rows of tokens: one call per batch of rows of similar length. */
export interface RowScorer {
  /** Logits of the rows, float32 `[rows, length, vocab]`, padded like `TokenRows.inputs`. */
  logits(rows: TokenRows, chosen: readonly number[]): Promise<NDArray>;
  setParams(params: Params<NDArray>): Promise<void>;
  dispose(): Promise<void>;
}

export async function rowScorer(
  engine: Engine,
  model: DecoderModel,
  params: Params<NDArray>,
): Promise<RowScorer> {
  const inference = createInference(engine, model as never);
  await inference.setParams(params);
  return {
    logits: async (rows, chosen) => (await inference.run(rows.inputs(chosen))).logits,
    setParams: (next) => inference.setParams(next),
    dispose: () => inference.dispose(),
  };
}

/** Rows in batches of similar length. */
export function rowBatches(rows: TokenRows, batchSize: number): number[][] {
  const order = rows.lengths.map((_, i) => i).sort((a, b) => rows.lengths[a] - rows.lengths[b]);
  return chunk(order, batchSize);
}

/** What a model makes of each row: sums over its learned tokens. */
export interface RowScores {
  /** Learned tokens. */
  readonly tokens: Int32Array;
  /** Negative log-likelihood, nats. */
  readonly nll: Float64Array;
  /** KL(teacher ‖ model), nats. */
  readonly kl?: Float64Array;
  /** Positions where the likeliest token is the teacher's. */
  readonly agree?: Int32Array;
}

/** Scores models on rows; the first one is the teacher that the others are compared with. */
export async function scoreRows(
  rows: TokenRows,
  scorers: readonly RowScorer[],
  { batchSize, onProgress }: { batchSize: number; onProgress?: (rows: number) => void },
): Promise<RowScores[]> {
  const tokens = new Int32Array(rows.size);
  const out = scorers.map((_, m) => ({
    tokens,
    nll: new Float64Array(rows.size),
    ...(m === 0 ? {} : { kl: new Float64Array(rows.size), agree: new Int32Array(rows.size) }),
  }));
  let done = 0;
  for (const chosen of rowBatches(rows, batchSize)) {
    const labels = rows.labels(chosen);
    const [, width] = labels.shape;
    let teacher: Row[] = [];
    for (const [m, scorer] of scorers.entries()) {
      const logits = await scorer.logits(rows, chosen);
      const vocab = logits.shape[2];
      const found: Row[] = [];
      chosen.forEach((row, r) => {
        for (let t = 0; t < rows.lengths[row]; t++) {
          const at = r * width + t;
          const label = (labels.data as Int32Array)[at];
          if (label === -100) continue;
          const one = logRow((logits.data as Float32Array).subarray(at * vocab, (at + 1) * vocab));
          if (m === 0) tokens[row]++;
          out[m].nll[row] -= one.logp[label];
          if (m > 0) {
            const reference = teacher[found.length];
            out[m].kl![row] += divergence(reference.logp, one.logp);
            if (reference.best === one.best) out[m].agree![row]++;
          }
          found.push(one);
        }
      });
      if (m === 0) teacher = found;
    }
    done += chosen.length;
    onProgress?.(done);
  }
  return out;
}

interface Row {
  logp: Float64Array;
  best: number;
}

function logRow(logits: Float32Array): Row {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - logits[best]);
  const z = logits[best] + Math.log(sum);
  return { logp: Float64Array.from(logits, (x) => x - z), best };
}

function divergence(p: Float64Array, q: Float64Array): number {
  let kl = 0;
  for (let i = 0; i < p.length; i++) kl += Math.exp(p[i]) * (p[i] - q[i]);
  return kl;
}
