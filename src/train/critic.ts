import type { Engine } from '../engine/engine.ts';
import {
  abs,
  cast,
  concat,
  div,
  expandDims,
  greaterEqual,
  maximum,
  mul,
  type NDArray,
  ndarray,
  reshape,
  slice,
  spec,
  squeeze,
  sub,
  sum,
  sym,
  type Tensor,
} from '../graph/index.ts';
import { binaryCrossEntropy } from '../losses/binary.ts';
import { createInference } from '../nn/inference.ts';
import { activation } from '../nn/layers/activation.ts';
import { dropout } from '../nn/layers/dropout.ts';
import { embedding, embeddingParams } from '../nn/layers/embedding.ts';
import { linear, linearParams } from '../nn/layers/linear.ts';
import { type AnyModel, init } from '../nn/model.ts';
import { normalInit, type Params, prefixed } from '../nn/params.ts';
import { type Scope, scopeOf } from '../nn/scope.ts';
import { adamW, constant, decayMatrices } from '../optim/index.ts';
import { train } from './loop.ts';

/** log(π / (1 - π)): what the bias of a sigmoid starts at, so that an untrained output says π. */
export const priorLogit = (prior: number): number => Math.log(prior / (1 - prior));

/** A judge of pairs of texts: does the second belong to the first? */
export interface CriticConfig {
  /** Texts of an example, each a bag of ids: prompt and response, or type, relation and tail. */
  readonly parts: number;
  /** Rows of the embedding table. */
  readonly vocabulary: number;
  /** Width of an embedding. */
  readonly width: number;
  /** Width of the hidden layer. */
  readonly hidden: number;
  readonly activation: 'gelu' | 'relu';
  /** Also give the hidden layer product and distance of the first and the last part. */
  readonly compare: boolean;
  /** Before and after the hidden layer. */
  readonly dropout: number;
  /** Share of valid examples that an untrained critic assumes. */
  readonly prior: number;
}

export interface CriticBudget {
  readonly steps: number;
  readonly batch: number;
  readonly lr: number;
  readonly weightDecay: number;
}

/**
 * Mean embedding of each part, side by side; dropout, dense, activation, dropout, one logit whose bias starts at the
 * logit of the prior (the head of West et al. 2022 on a bag of words in place of a pretrained encoder).
 */
export function criticModel(c: CriticConfig): AnyModel {
  const wide = (c.parts + (c.compare ? 2 : 0)) * c.width;
  const act = activation(c.activation);
  return {
    architecture: 'Critic',
    config: { ...c },
    params: {
      ...prefixed('embeddings', embeddingParams(c.vocabulary, c.width, normalInit(1 / Math.sqrt(c.width)))),
      ...prefixed('hidden', linearParams(wide, c.hidden)),
      ...prefixed('output', linearParams(c.hidden, 1)),
      'output.bias': { shape: [1], init: () => new Float32Array([priorLogit(c.prior)]) },
    },
    inputs: { ids: spec([sym('batch'), c.parts, sym('tokens')], 'int32') },
    forward(s: Scope, { ids }: { ids: Tensor }) {
      // ids below 0 are padding
      const real = cast(greaterEqual(ids, 0), 'float32');
      const vectors = mul(embedding(s.at('embeddings'), maximum(ids, 0)), expandDims(real, 3));
      const pooled = div(sum(vectors, 2), expandDims(maximum(sum(real, 2), 1), 2));
      const flat = reshape(pooled, [ids.shape[0], c.parts * c.width]);
      const part = (i: number): Tensor =>
        squeeze(slice(pooled, { axes: [1], starts: [i], ends: [i + 1] }), 1);
      const all = c.compare
        ? concat([flat, mul(part(0), part(c.parts - 1)), abs(sub(part(0), part(c.parts - 1)))], 1)
        : flat;
      const h = act(linear(s.at('hidden'), dropout(s, all, c.dropout)));
      return { logits: linear(s.at('output'), dropout(s, h, c.dropout)) };
    },
  };
}

/** Ids of examples, `[n, parts, tokens]`, -1 where there is none. */
export function criticIds(examples: readonly (readonly (readonly number[])[])[]): NDArray {
  const parts = examples[0]?.length ?? 1;
  const tokens = Math.max(1, ...examples.flatMap((e) => e.map((p) => p.length)));
  const out = new Int32Array(examples.length * parts * tokens).fill(-1);
  examples.forEach((e, i) => {
    e.forEach((ids, p) => {
      out.set(ids, (i * parts + p) * tokens);
    });
  });
  return ndarray(out, [examples.length, parts, tokens]);
}

/** A trained critic: probabilities that examples are valid. */
export interface Critic {
  readonly params: Params<NDArray>;
  score(ids: NDArray): Promise<Float64Array>;
}

/** Trains a critic with AdamW at a constant rate on examples `[n, parts, tokens]` with labels 1 or 0 `[n]`. */
export async function trainCritic(
  engine: Engine,
  config: CriticConfig,
  budget: CriticBudget,
  data: { ids: NDArray; labels: ArrayLike<number> },
  seed: number | string,
): Promise<Critic> {
  const model = criticModel(config);
  const [n, parts, tokens] = data.ids.shape;
  const pick = (rows: readonly number[]): NDArray => {
    const width = parts * tokens;
    const out = new Int32Array(rows.length * width);
    rows.forEach((r, k) => {
      out.set((data.ids.data as Int32Array).subarray(r * width, (r + 1) * width), k * width);
    });
    return ndarray(out, [rows.length, parts, tokens]);
  };
  const { params } = await train({
    engine,
    objective: {
      params: model.params,
      scalars: [],
      terms(params, batch, ctx) {
        const s = scopeOf(params, { train: ctx.train, nextKey: ctx.nextKey, updates: ctx.updates });
        const { logits } = model.forward(s, { ids: batch.ids }) as { logits: Tensor };
        const value = binaryCrossEntropy(reshape(logits, [logits.shape[0]]), batch.labels);
        return { terms: { bce: { value } }, masks: { examples: batch['mask/examples'] } };
      },
    },
    params: init(model, `${seed}/critic/init`),
    source: {
      size: n,
      collate: (rows) => ({
        ids: pick(rows),
        labels: ndarray(
          Float32Array.from(rows, (r) => data.labels[r]),
          [rows.length],
        ),
        'mask/examples': ndarray(new Float32Array(rows.length).fill(1), [rows.length]),
      }),
    },
    batchSize: Math.min(budget.batch, n),
    steps: budget.steps,
    optimizer: adamW({ weightDecay: budget.weightDecay, decayMask: decayMatrices }),
    lr: constant(budget.lr),
    seed: `${seed}/critic`,
  });
  return {
    params,
    async score(ids) {
      const inference = createInference(engine, model);
      try {
        await inference.setParams(params);
        const [rows, ...rest] = ids.shape;
        const width = rest.reduce((a, b) => a * b, 1);
        const out = new Float64Array(rows);
        for (let from = 0; from < rows; from += 1024) {
          const count = Math.min(1024, rows - from);
          const part = (ids.data as Int32Array).slice(from * width, (from + count) * width);
          const { logits } = await inference.run({ ids: ndarray(part, [count, ...rest]) });
          for (let i = 0; i < count; i++)
            out[from + i] = 1 / (1 + Math.exp(-(logits.data as Float32Array)[i]));
        }
        return out;
      } finally {
        await inference.dispose();
      }
    },
  };
}
