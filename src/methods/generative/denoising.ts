import { z } from 'zod';
import { less, type Tensor, where } from '../../graph/index.ts';
import { denoisingError, weightedSampleError } from '../../losses/diffusion/denoising.ts';
import { addNoise } from '../../losses/diffusion/process.ts';
import { drawByDdim, networkOf, predictSample } from '../../losses/diffusion/setting.ts';
import { defineMethod, type LossInput } from '../method.ts';

const config = z.strictObject({
  weight: z
    .enum(['own', 'uniform', 'snr', 'truncated-snr', 'min-snr'])
    .default('own')
    .describe(
      "weight of the error by noise level: uniform in what the network puts out (own), or this one of the clean sample's error",
    ),
  dropLabels: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('share of rows whose class is hidden, so that guidance is possible (Ho & Salimans 2022)'),
  steps: z.int().positive().default(64).describe('DDIM steps that samples are drawn with'),
});
type Options = z.infer<typeof config>;

/** Classes with some hidden (the id after the last class), and absent ones (-100) too. */
function hiddenLabels({ labels, random, diffusion }: LossInput, share: number): Tensor | undefined {
  if (!labels || diffusion!.classes === 0) return undefined;
  const none = diffusion!.classes;
  const known = where(less(labels, 0), none, labels);
  return share === 0 ? known : where(less(random!.uniform(labels.shape), share), none, known);
}

/** Training a diffusion model on data: what a teacher is made with, and the baseline without one. */
export const denoising = defineMethod<Options>({
  slug: 'denoising',
  family: 'generative',
  meta: {
    title: 'Denoising Diffusion Probabilistic Models',
    year: 2020,
    link: 'arXiv 2006.11239',
    summary: 'no distillation: a diffusion model learns to take noise away, and is sampled by DDIM',
    deviations: [
      'times are continuous, as in Salimans & Ho 2022; samples are drawn by DDIM (arXiv 2010.02502)',
    ],
  },
  needs: { tasks: ['diffuse'], signals: [], labels: 'optional', sameVocabulary: false },
  config,
  loss(input, { weight, dropLabels }) {
    const { models, random, diffusion, columns, masks } = input;
    const setting = diffusion!;
    const x0 = columns['input/sample'];
    const t = random!.uniform([masks.examples.shape[0]], setting.tMin, setting.tMax);
    const eps = random!.normal(x0.shape);
    const levels = setting.process.levels(t);
    const x = addNoise(x0, eps, levels);
    const output = networkOf(models!.student)(x, t, hiddenLabels(input, dropLabels));
    const { prediction } = setting;
    return {
      denoising: {
        value:
          weight === 'own'
            ? denoisingError(output, x0, eps, levels, prediction)
            : weightedSampleError(output, x, x0, levels, { prediction, weight }),
      },
    };
  },
  calls: {
    uses: [],
    data: 'rows',
    draw: ({ student, noise, diffusion, labels }, { steps }) =>
      drawByDdim(predictSample(networkOf(student), diffusion), noise, diffusion, { steps, labels }),
    evaluations: ({ steps }) => steps,
  },
});
