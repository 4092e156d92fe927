import { accuracy } from '../../evaluate/classification.ts';
import { argmaxRows } from '../../evaluate/matrix.ts';
import { add, mul, type NDArray, ndarray, normal } from '../../graph/index.ts';
import { column } from '../../methods/columns.ts';
import { supervised } from '../../methods/logits/kd.ts';
import type { Method } from '../../methods/method.ts';
import type { AnyModel } from '../../nn/model.ts';
import { mlp } from '../../nn/models/mlp.ts';
import { type Columns, type FitSpec, fitModel, logitsOf } from './fit.ts';
import type { Measured, RunContext } from './types.ts';

/** Losses that are compared: what each arm of a student is. */
export type Arms = Readonly<
  Record<string, { what: string; method: Method; options?: Record<string, unknown> }>
>;

export const ACCURACY = { accuracy: 'test accuracy of the last step, %' } as const;

/** What each arm is, the teacher first. */
export const describedArms = (
  teacher: string,
  arms: Readonly<Record<string, { readonly what: string }>>,
): Record<string, string> => ({
  teacher,
  ...Object.fromEntries(Object.entries(arms).map(([name, { what }]) => [name, what])),
});

/** How one of the two networks is trained, and its hidden layers. */
export type Training = Omit<
  FitSpec,
  'engine' | 'model' | 'method' | 'options' | 'columns' | 'seed' | 'initSeed'
> & {
  readonly hidden: readonly number[];
};

/** A classifier of features, a teacher and a small student of it. */
export interface Problem {
  /** Rows with labels. */
  readonly forTeacher: Columns;
  readonly forStudent: Columns;
  readonly test: Columns;
  readonly classes: number;
  /** `noise`: deviation of the Gaussian noise on its input while it trains. */
  readonly teacher: Training & { readonly noise: number };
  readonly student: Training;
}

const FEATURES = column.input('features');

/** Columns of a classifier: features `[rows, width]` and class ids. */
export const featureRows = (rows: readonly { features: readonly number[]; label: number }[]): Columns => ({
  [FEATURES]: ndarray(Float32Array.from(rows.flatMap((r) => r.features)), [
    rows.length,
    rows[0].features.length,
  ]),
  [column.labels]: ndarray(
    Int32Array.from(rows, (r) => r.label),
    [rows.length],
  ),
});

/** Trains one teacher, and a student per arm from the same start on the same batches; test accuracy of the last step, %. */
export async function sideBySide(
  { engine, tell }: RunContext,
  problem: Problem,
  arms: Arms,
  seed: number,
): Promise<Record<string, Measured>> {
  const { forTeacher, forStudent, test, classes } = problem;
  const inputs = forStudent[FEATURES].shape[1];
  const [big, small] = [problem.teacher, problem.student].map(({ hidden }) =>
    mlp({ inputs, hidden, outputs: classes }),
  );
  const answers = (model: AnyModel, params: FitResult, c: Columns): Promise<NDArray> =>
    logitsOf(engine, model, params, { features: c[FEATURES] });
  const results: Record<string, Measured> = {};
  const record = async (name: string, model: AnyModel, params: FitResult): Promise<void> => {
    const guesses = argmaxRows(await answers(model, params, test));
    results[name] = { accuracy: 100 * accuracy(guesses, test[column.labels].data as Int32Array) };
    tell(`${name} ${results[name].accuracy.toFixed(1)}`);
  };
  const trained = (
    who: 'teacher' | 'student',
    given: Pick<FitSpec, 'model' | 'method' | 'options' | 'columns'>,
  ) =>
    fitModel({ ...problem[who], ...given, engine, seed: `${seed}/${who}`, initSeed: `${seed}/${who}/init` });

  const weights = await trained('teacher', {
    model: noisy(big, problem.teacher.noise),
    method: supervised,
    columns: forTeacher,
  });
  await record('teacher', big, weights);
  const knowledge = await answers(big, weights, forStudent);
  for (const [name, { method, options }] of Object.entries(arms)) {
    const columns = { ...forStudent, [column.teacherLogits]: knowledge };
    await record(name, small, await trained('student', { model: small, method, options, columns }));
  }
  return results;
}

type FitResult = Awaited<ReturnType<typeof fitModel>>;

/** Adds Gaussian noise to the input in training. */
const noisy = (model: AnyModel, std: number): AnyModel => ({
  ...model,
  forward: (s, { features }) =>
    model.forward(s, {
      features:
        s.ctx.train && s.ctx.nextKey
          ? add(features, mul(normal(s.ctx.nextKey(), features.shape), std))
          : features,
    }),
});
