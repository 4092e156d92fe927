import type { Engine } from '../engine/engine.ts';
import { type NDArray, ndarray, toNumbers } from '../graph/index.ts';
import { adam } from '../optim/index.ts';
import { DecantError } from '../util/errors.ts';
import type { BatchSource } from './batches.ts';
import { type Objective, TEACHER } from './objective.ts';
import {
  type Batch,
  buildStep,
  initialState,
  leavesOf,
  maskSizes,
  rebuildState,
  type StepOptions,
  stateLeaves,
  type TrainState,
} from './step-graph.ts';
import type { Params } from './types.ts';

export interface ProbeSpec {
  readonly engine: Engine;
  readonly objective: Objective;
  readonly params: Params<NDArray>;
  readonly source: BatchSource;
  /** Rows of the batch that is tried; at least 2. */
  readonly rows: number;
  /** The method's scalars at the start. */
  readonly scalars?: Readonly<Record<string, number>>;
}

/**
 * Checks that the teacher reaches the student: the gradient of one batch must change when the teacher's columns
 * (`teacher/...`) are given to other rows, or when the weights of a teacher that the step calls are disturbed. Throws `pairing` when it does not: training would be a costly no-op.
 *
 * @returns relative change of the gradient, ‖g' - g‖ / ‖g‖
 */
export async function probeTeacherSignal(spec: ProbeSpec): Promise<number> {
  const rows = Array.from({ length: Math.min(spec.rows, spec.source.size) }, (_, i) => i);
  const batch = await spec.source.collate(rows);
  const columns = Object.keys(batch).filter((n) => n.startsWith('teacher/'));
  const weights = Object.keys(spec.params).filter((n) => n.startsWith(`${TEACHER}.`));
  if (columns.length + weights.length === 0) throw noSignal('the batch carries no column of the teacher');
  const options: StepOptions = { optimizer: adam(), clip: 0, accumulate: true };
  const start = initialState(spec.objective, spec.params, options);
  const step = buildStep(spec.objective, start, batch, options, 'gather');
  const executable = await spec.engine.load(step.graph, { state: stateLeaves(start).length });
  try {
    const gradient = async (b: Batch, state: TrainState<NDArray>): Promise<Float64Array> => {
      const scalars = {
        ...Object.fromEntries(spec.objective.scalars.map((n) => [n, 0])),
        ...spec.scalars,
        progress: 0.5,
      };
      const fed = step.feed(b, { lr: 0, step: 1, sizes: maskSizes([b]), scalars, key: [1, 2] });
      const out = await executable.run([...stateLeaves(state), ...fed]);
      const after = rebuildState(start, out.slice(0, stateLeaves(start).length));
      return Float64Array.from(
        leavesOf(after)
          .filter(([n]) => n.startsWith('sums/'))
          .flatMap(([, a]) => [...toNumbers(a)]),
      );
    };
    const before = await gradient(batch, start);
    const size = before.reduce((n, x) => n + x ** 2, 0);
    for (const strength of STRENGTHS) {
      const pushed = (all: Readonly<Record<string, NDArray>>, names: readonly string[]) =>
        Object.fromEntries(names.map((n) => [n, disturbed(all[n], strength)]));
      const after = await gradient(
        { ...batch, ...pushed(batch, columns) },
        { ...start, params: { ...start.params, ...pushed(start.params, weights) } },
      );
      const change = before.reduce((n, x, i) => n + (after[i] - x) ** 2, 0);
      if (change !== 0) return Math.sqrt(change / Math.max(size, 1e-300));
    }
    throw noSignal(
      `the gradient stays the same when ${[...columns, ...(weights.length > 0 ? ['its weights'] : [])].join(', ')} change`,
    );
  } finally {
    await executable.dispose();
  }
}

/** A loss may see no more of the teacher than which of two probabilities is larger: that takes a strong push. */
const STRENGTHS = [1, 40];

/** Rows moved by one, and floats shifted unevenly, so that equal rows differ too. */
function disturbed(a: NDArray, strength: number): NDArray {
  const data = a.data.slice() as Float32Array;
  const width = data.length / Math.max(1, a.shape[0]);
  for (let i = 0; i < data.length; i++) {
    const from = (a.data as Float32Array)[(i + width) % data.length];
    data[i] = a.dtype.startsWith('float') ? from + strength * Math.sin(i + 1) : from;
  }
  return ndarray(data, a.shape, a.dtype);
}

const noSignal = (why: string): DecantError =>
  new DecantError('pairing', 'the teacher does not reach the student', {
    at: 'method',
    seen: why,
    fix: 'choose a method that uses the signals this teacher gives (decant methods), or train without a teacher; train.probe: false skips this check',
  });
