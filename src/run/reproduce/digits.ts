import { createRng } from '../../util/rng.ts';
import type { Budget } from './fit.ts';
import { datasetRows } from './rows.ts';
import { type Arms, featureRows, sideBySide } from './side-by-side.ts';
import type { Measured, RunContext } from './types.ts';

/** 8×8 digits: a good teacher and a small student that sees few images, side by side under several losses. */
export interface DigitsSettings {
  /** Images for the teacher and for the student; all others are the test. */
  images: { teacher: number; student: number };
  /** MLP 64-…-10, with Gaussian noise on its input while it trains. */
  teacher: Budget & { hidden: number[]; noise: number };
  student: Budget & { hidden: number[] };
}

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
    context: RunContext,
    { images: { teacher: n, student: m }, teacher, student }: DigitsSettings,
    seed: number,
  ): Promise<Record<string, Measured>> => {
    const images = await digits(context.dataRoot, `${seed}/split`);
    const problem = {
      forTeacher: featureRows(images.slice(0, n)),
      forStudent: featureRows(images.slice(n, n + m)),
      test: featureRows(images.slice(n + m)),
      classes: 10,
      teacher,
      student,
    };
    return sideBySide(context, problem, arms, seed);
  };

/** All images in a seeded order, pixels in [0, 1]. */
async function digits(
  root: string | undefined,
  seed: string,
): Promise<{ features: number[]; label: number }[]> {
  const rows = [
    ...(await datasetRows('digits', 'train', root)),
    ...(await datasetRows('digits', 'test', root)),
  ];
  const images = rows.map((r) => ({
    features: Array.from({ length: 64 }, (_, i) => Number(r[`p${i}`]) / 16),
    label: Number(r.label),
  }));
  return createRng(seed).shuffle(images);
}
