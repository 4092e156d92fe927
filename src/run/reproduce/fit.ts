import type { Engine } from '../../engine/engine.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { column, hiddenColumns } from '../../methods/columns.ts';
import type { Method, SetupInfo } from '../../methods/method.ts';
import { distillation } from '../../methods/objective.ts';
import { pairOf } from '../../methods/pair.ts';
import { createInference } from '../../nn/inference.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { adamW, cosine, type Optimizer, type Schedule } from '../../optim/index.ts';
import type { BatchSource } from '../../train/batches.ts';
import { train } from '../../train/loop.ts';

export type Columns = Readonly<Record<string, NDArray>>;

/** What one arm's training takes; every arm of a reproduction gets the same. */
export interface Budget {
  steps: number;
  batch: number;
  lr: number;
}

export interface FitSpec extends Budget {
  readonly engine: Engine;
  readonly model: AnyModel;
  readonly method: Method;
  readonly options?: Record<string, unknown>;
  /** Model inputs (`input/…`), labels and teacher signals, one row per example. */
  readonly columns: Columns;
  /** Order of the batches; arms that share it see the same batches. */
  readonly seed: string;
  /** Initial weights; arms that share it start alike. */
  readonly initSeed: string;
  /** Learning rate after its start: a cosine to 0 (default), the same throughout, or one of its own. */
  readonly schedule?: 'cosine' | 'constant' | Schedule;
  /** Default: AdamW. */
  readonly optimizer?: Optimizer;
  /** Largest norm of the gradient; default: any. */
  readonly clip?: number;
}

/** Trains, by default with AdamW and a cosine to 0, and gives the weights of the last step. */
export async function fitModel(spec: FitSpec): Promise<Params<NDArray>> {
  const config = spec.method.config.parse(spec.options ?? {});
  const objective = distillation(spec.model, spec.method, config, pairIn(spec));
  const { schedule } = spec.method;
  const { params } = await train({
    engine: spec.engine,
    objective,
    params: init({ ...spec.model, params: objective.params }, spec.initSeed),
    source: rowsOf(spec.columns),
    batchSize: spec.batch,
    steps: spec.steps,
    optimizer: spec.optimizer ?? adamW(),
    clip: spec.clip,
    lr: rateOf(spec),
    seed: spec.seed,
    schedule: schedule && {
      init: () => schedule.init(config),
      next: (state, seen) => schedule.next(state, seen, config),
    },
  });
  return params;
}

function rateOf({ schedule = 'cosine', lr, steps }: FitSpec): Schedule {
  if (schedule === 'constant') return () => lr;
  return schedule === 'cosine' ? cosine({ from: lr, to: 0, steps }) : schedule;
}

/** What is known of the pair: widths, and the number of classes that the teacher scores. */
const pairIn = ({ model, method, columns }: FitSpec): SetupInfo | undefined =>
  method.setup && pairOf(model, hiddenColumns(columns), columns[column.teacherLogits].shape[1]);

/** The logits of a model for every row, `[rows, classes]`. */
export async function logitsOf(
  engine: Engine,
  model: AnyModel,
  params: Params<NDArray>,
  inputs: Columns,
  batch = 2048,
): Promise<NDArray> {
  const inference = createInference(engine, model);
  try {
    await inference.setParams(params);
    const rows = Object.values(inputs)[0].shape[0];
    const parts: NDArray[] = [];
    for (let from = 0; from < rows; from += batch) {
      const ids = Array.from({ length: Math.min(batch, rows - from) }, (_, i) => from + i);
      const part = Object.fromEntries(Object.entries(inputs).map(([n, a]) => [n, takeRows(a, ids)]));
      parts.push((await inference.run(part)).logits);
    }
    const width = parts[0].shape[1];
    const out = new Float32Array(rows * width);
    let at = 0;
    for (const p of parts) {
      out.set(p.data as Float32Array, at);
      at += p.data.length;
    }
    return ndarray(out, [rows, width]);
  } finally {
    await inference.dispose();
  }
}

/** Rows of an array along its first axis, in the order given. */
export function takeRows(a: NDArray, ids: readonly number[]): NDArray {
  const width = a.data.length / a.shape[0];
  const data = new (a.data.constructor as Float32ArrayConstructor)(ids.length * width);
  ids.forEach((id, r) => {
    data.set((a.data as Float32Array).subarray(id * width, (id + 1) * width), r * width);
  });
  return ndarray(data, [ids.length, ...a.shape.slice(1)], a.dtype);
}

function rowsOf(columns: Columns): BatchSource {
  return {
    size: Object.values(columns)[0].shape[0],
    collate: (ids) => {
      const one = ndarray(new Float32Array(ids.length).fill(1), [ids.length]);
      return {
        ...Object.fromEntries(Object.entries(columns).map(([n, a]) => [n, takeRows(a, ids)])),
        'mask/examples': one,
        'mask/labelled': one,
      };
    },
  };
}
