import type { Engine } from '../../engine/engine.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import type { Method } from '../../methods/method.ts';
import { distillation } from '../../methods/objective.ts';
import type { AnyModel } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { adamW, constant } from '../../optim/index.ts';
import type { BatchSource } from '../../train/batches.ts';
import { train } from '../../train/loop.ts';
import { followed, withMovingReference, withoutReference } from '../../train/policy.ts';
import type { Budget } from './fit.ts';

export interface PolicyFit extends Budget {
  readonly engine: Engine;
  readonly model: AnyModel;
  readonly method: Method;
  readonly options: Record<string, unknown>;
  readonly start: Params<NDArray>;
  readonly source: BatchSource;
  /** A reference that follows the policy with this decay, in place of a column of the source. */
  readonly follow?: number;
  readonly seed: string;
}

/** Trains a policy from given weights with AdamW at a constant rate, and gives the weights of the last step. */
export async function fitPolicy(fit: PolicyFit): Promise<Params<NDArray>> {
  const { follow, method } = fit;
  const model = follow === undefined ? fit.model : followed(fit.model, follow);
  const { params } = await train({
    engine: fit.engine,
    objective: distillation(model, method, method.config.parse(fit.options)),
    params: follow === undefined ? fit.start : withMovingReference(fit.start),
    source: fit.source,
    batchSize: fit.batch,
    steps: fit.steps,
    optimizer: adamW(),
    lr: constant(fit.lr),
    seed: fit.seed,
  });
  return withoutReference(params);
}

/** Rows made one by one: each column's values, side by side, with masks that count every row. */
export function rowSourceOf(
  size: number,
  shapes: Readonly<Record<string, readonly number[]>>,
  row: (i: number) => Readonly<Record<string, ArrayLike<number>>>,
): BatchSource {
  return {
    size,
    collate(chosen) {
      const rows = chosen.map(row);
      const ones = ndarray(new Float32Array(chosen.length).fill(1), [chosen.length]);
      const columns = Object.entries(shapes).map(([name, shape]) => {
        const width = shape.reduce((a, b) => a * b, 1);
        const out = new Float32Array(chosen.length * width);
        rows.forEach((values, r) => {
          out.set(values[name], r * width);
        });
        return [name, ndarray(out, [chosen.length, ...shape])] as const;
      });
      return { ...Object.fromEntries(columns), 'mask/examples': ones, 'mask/labelled': ones };
    },
  };
}
