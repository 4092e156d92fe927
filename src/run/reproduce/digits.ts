import { accuracy } from '../../evaluate/classification.ts';
import { argmaxRows } from '../../evaluate/matrix.ts';
import { add, mul, type NDArray, ndarray, normal } from '../../graph/index.ts';
import { supervised } from '../../methods/logits/kd.ts';
import type { Method } from '../../methods/method.ts';
import type { AnyModel } from '../../nn/model.ts';
import { mlp } from '../../nn/models/mlp.ts';
import { createRng } from '../../util/rng.ts';
import { type Budget, type Columns, fitModel, logitsOf } from './fit.ts';
import { datasetRows } from './rows.ts';
import type { Measured, RunContext } from './types.ts';

/** 8×8 digits: a good teacher and a small student that sees few images, side by side under several losses. */
export interface DigitsSettings {
  /** Images for the teacher and for the student; all others are the test. */
  images: { teacher: number; student: number };
  /** MLP 64-…-10, with Gaussian noise on its input while it trains. */
  teacher: Budget & { hidden: number[]; noise: number };
  student: Budget & { hidden: number[] };
}

export type Arms = Readonly<
  Record<string, { what: string; method: Method; options?: Record<string, unknown> }>
>;

export const digitsSettings: DigitsSettings = {
  images: { teacher: 1000, student: 200 },
  teacher: { hidden: [256, 256], noise: 0.1, steps: 1500, batch: 64, lr: 2e-3 },
  student: { hidden: [16], steps: 1200, batch: 64, lr: 5e-3 },
};

export const digitsQuick: Partial<DigitsSettings> = { teacher: { ...digitsSettings.teacher, steps: 600 } };

/** What each arm is, the teacher first. */
export const digitsArms = (arms: Arms): Record<string, string> => ({
  teacher: 'MLP 64-256-256-10, its test accuracy',
  ...Object.fromEntries(Object.entries(arms).map(([n, a]) => [n, a.what])),
});

export const digitsDiffers = [
  '8×8 digits and MLPs instead of CIFAR-100 and ImageNet networks; no augmentation of the student’s images',
  'each seed has its own split of the images, teacher, initial student and batch order; its arms share them',
];

/** Trains one teacher and all arms of a seed. */
export const runDigits =
  (arms: Arms) =>
  async (
    { engine, dataRoot, tell }: RunContext,
    settings: DigitsSettings,
    seed: number,
  ): Promise<Record<string, Measured>> => {
    const images = await digits(dataRoot, `${seed}/split`);
    const { teacher: n, student: m } = settings.images;
    const [forTeacher, forStudent, test] = [
      images.slice(0, n),
      images.slice(n, n + m),
      images.slice(n + m),
    ].map(asColumns);
    const labels = test.labels.data as Int32Array;
    const score = (logits: NDArray): Measured => ({
      accuracy: 100 * accuracy(argmaxRows(logits), labels),
    });
    const features = (c: Columns): Columns => ({ features: c['input/features'] });
    const big = mlp({ inputs: 64, hidden: settings.teacher.hidden, outputs: 10 });
    const weights = await fitModel({
      ...settings.teacher,
      engine,
      model: noisy(big, settings.teacher.noise),
      method: supervised,
      columns: forTeacher,
      seed: `${seed}/teacher`,
      initSeed: `${seed}/teacher/init`,
    });
    const results: Record<string, Measured> = {
      teacher: score(await logitsOf(engine, big, weights, features(test))),
    };
    tell(`teacher ${results.teacher.accuracy.toFixed(1)}`);
    const knowledge = await logitsOf(engine, big, weights, features(forStudent));
    const small = mlp({ inputs: 64, hidden: settings.student.hidden, outputs: 10 });
    for (const [name, arm] of Object.entries(arms)) {
      const params = await fitModel({
        ...settings.student,
        engine,
        model: small,
        method: arm.method,
        options: arm.options,
        columns: { ...forStudent, 'teacher/logits': knowledge },
        seed: `${seed}/student`,
        initSeed: `${seed}/student/init`,
      });
      results[name] = score(await logitsOf(engine, small, params, features(test)));
      tell(`${name} ${results[name].accuracy.toFixed(1)}`);
    }
    return results;
  };

interface Image {
  pixels: number[];
  label: number;
}

/** All images in a seeded order, pixels in [0, 1]. */
async function digits(root: string | undefined, seed: string): Promise<Image[]> {
  const rows = [
    ...(await datasetRows('digits', 'train', root)),
    ...(await datasetRows('digits', 'test', root)),
  ];
  const images = rows.map((r) => ({
    pixels: Array.from({ length: 64 }, (_, i) => Number(r[`p${i}`]) / 16),
    label: Number(r.label),
  }));
  return createRng(seed).shuffle(images);
}

const asColumns = (images: readonly Image[]): Record<string, NDArray> => ({
  'input/features': ndarray(Float32Array.from(images.flatMap((i) => i.pixels)), [images.length, 64]),
  labels: ndarray(
    Int32Array.from(images, (i) => i.label),
    [images.length],
  ),
});

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
