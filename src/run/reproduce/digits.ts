import { kd, supervised } from '../../methods/logits/kd.ts';
import { createRng } from '../../util/rng.ts';
import type { Budget } from './fit.ts';
import { datasetRows } from './rows.ts';
import { ACCURACY, type Arms, describedArms, featureRows, sideBySide } from './side-by-side.ts';
import { defineReproduction, type Reproduction } from './types.ts';

/** 8×8 digits: a good teacher and a small student that sees few images, side by side under several losses. */
export interface DigitsSettings {
  /** Images for the teacher and for the student; all others are the test. */
  images: { teacher: number; student: number };
  /** MLP 64-…-10, with Gaussian noise on its input while it trains. */
  teacher: Budget & { hidden: number[]; noise: number };
  student: Budget & { hidden: number[] };
}

const settings: DigitsSettings = {
  images: { teacher: 1000, student: 200 },
  teacher: { hidden: [256, 256], noise: 0.1, steps: 1500, batch: 64, lr: 2e-3 },
  student: { hidden: [16], steps: 1200, batch: 64, lr: 5e-3 },
};

/** What every method is compared with. */
export const digitsRivals: Arms = {
  ce: { what: 'cross-entropy with labels, no teacher', method: supervised },
  kd: { what: 'KD, label weight 0.1, τ 2', method: kd, options: { alpha: 0.1, temperature: 2 } },
};

type Given = Pick<Reproduction, 'slug' | 'paper' | 'claim' | 'criteria' | 'pilot'> & {
  readonly arms: Arms;
  /** Differences from the paper's experiment beside those that all of these have. */
  readonly differs?: readonly string[];
};

/** A logit method for classifiers, checked on the digits. */
export const onDigits = ({ arms, differs = [], ...given }: Given): Reproduction<DigitsSettings> =>
  defineReproduction<DigitsSettings>({
    ...given,
    data: ['dataset:digits'],
    settings,
    quick: { teacher: { ...settings.teacher, steps: 600 } },
    seeds: [1, 2, 3, 4, 5],
    arms: describedArms('MLP 64-256-256-10, its test accuracy', arms),
    metrics: ACCURACY,
    differs: [
      '8×8 digits and MLPs instead of CIFAR-100 and ImageNet networks; no augmentation of the student’s images',
      'each seed has its own split of the images, teacher, initial student and batch order; its arms share them',
      ...differs,
    ],
    async run(context, { images: { teacher: n, student: m }, teacher, student }, seed) {
      const images = createRng(`${seed}/split`).shuffle(await digitImages(context.dataRoot));
      const problem = {
        forTeacher: featureRows(images.slice(0, n)),
        forStudent: featureRows(images.slice(n, n + m)),
        test: featureRows(images.slice(n + m)),
        classes: 10,
        teacher,
        student,
      };
      return sideBySide(context, problem, arms, seed);
    },
  });

/** All images of the set, pixels in [0, 1]. */
export async function digitImages(
  root: string | undefined,
): Promise<{ features: number[]; label: number }[]> {
  const rows = [
    ...(await datasetRows('digits', 'train', root)),
    ...(await datasetRows('digits', 'test', root)),
  ];
  return rows.map((r) => ({
    features: Array.from({ length: 64 }, (_, i) => Number(r[`p${i}`]) / 16),
    label: Number(r.label),
  }));
}
