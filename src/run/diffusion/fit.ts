import { type NDArray, ndarray } from '../../graph/index.ts';
import type { DiffusionSetting } from '../../losses/diffusion/setting.ts';
import { callingObjective, callParams } from '../../methods/calls.ts';
import type { Method } from '../../methods/method.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import type { BatchSource } from '../../train/batches.ts';

/** A model with its weights. */
export interface Trained {
  readonly model: AnyModel;
  readonly params: Params<NDArray>;
}

/** Rows of samples `[rows, ...]` as batches, with further columns beside them. */
export function sampleSource(
  samples: NDArray,
  more: Readonly<Record<string, NDArray>> = {},
): BatchSource & { readonly read: () => number } {
  let read = 0;
  const columns = { 'input/sample': samples, ...more };
  return {
    size: samples.shape[0],
    read: () => read,
    collate(rows) {
      read += rows.length;
      return { ...examplesOf(rows.length), ...mapped(columns, (a) => takeRows(a, rows)) };
    },
  };
}

/** Batches that hold nothing but their size: what data-free methods are trained on. */
export const emptySource = (size: number): BatchSource => ({
  size,
  collate: (rows) => examplesOf(rows.length),
});

const examplesOf = (count: number): Record<string, NDArray> => {
  const ones = ndarray(new Float32Array(count).fill(1), [count]);
  return { 'mask/examples': ones, 'mask/labelled': ones };
};

const mapped = <A, B>(r: Readonly<Record<string, A>>, f: (a: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(r).map(([n, a]) => [n, f(a)]));

/** Rows of an array along its first axis, in the order given. */
export function takeRows(a: NDArray, ids: readonly number[]): NDArray {
  const width = a.data.length / a.shape[0];
  const data = new (a.data.constructor as Float32ArrayConstructor)(ids.length * width);
  ids.forEach((id, r) => {
    data.set((a.data as Float32Array).subarray(id * width, (id + 1) * width), r * width);
  });
  return ndarray(data, [ids.length, ...a.shape.slice(1)], a.dtype);
}

/** Whether two models have the same parameters, so that one can take over the other's weights. */
export const sameParams = (a: AnyModel, b: AnyModel): boolean => {
  const shapes = (m: AnyModel): string =>
    JSON.stringify(
      Object.entries(m.params)
        .map(([n, p]) => [n, p.shape])
        .sort(),
    );
  return shapes(a) === shapes(b);
};

/** One training out of the rounds of a method: objective and first weights. */
export interface RoundSpec {
  readonly model: AnyModel;
  readonly method: Method;
  readonly config: unknown;
  readonly setting: DiffusionSetting;
  readonly teacher?: Trained;
  readonly seed: number | string;
}

/** Whether a student starts from its teacher's weights: where the method says so and they fit. */
export const takesOver = (method: Method, config: unknown, student: AnyModel, teacher: AnyModel): boolean =>
  method.calls!.start?.(config) === 'teacher' && sameParams(student, teacher);

/** What a training of such a method starts with. */
export function roundStart({ model, method, config, setting, teacher, seed }: RoundSpec) {
  const over = teacher && takesOver(method, config, model, teacher.model);
  const student = over ? teacher.params : init(model, seed);
  return {
    objective: callingObjective(model, method, config, { teacher: teacher?.model, diffusion: setting }),
    params: callParams(method, student, teacher?.params),
  };
}

/** The student's own weights among all that was trained. */
export const ownParams = (model: AnyModel, params: Params<NDArray>): Params<NDArray> =>
  Object.fromEntries(Object.entries(params).filter(([n]) => model.params[n]));

/** Configs of a method's trainings, one after the other. */
export const roundsOf = (method: Method, config: unknown): readonly unknown[] =>
  method.calls!.rounds?.(config) ?? [config];
