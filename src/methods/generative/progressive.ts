import { z } from 'zod';
import { add, floor, mul } from '../../graph/index.ts';
import { addNoise } from '../../losses/diffusion/process.ts';
import { progressiveError, progressiveTarget } from '../../losses/diffusion/progressive.ts';
import { drawByDdim, levelsAt, networkOf, predictSample } from '../../losses/diffusion/setting.ts';
import { defineMethod } from '../method.ts';

const config = z
  .strictObject({
    from: z.int().min(2).default(64).describe('steps of the teacher that the first round halves'),
    steps: z.int().positive().default(1).describe('steps of the last student'),
    weight: z
      .enum(['truncated-snr', 'snr+1'])
      .default('truncated-snr')
      .describe("weight of the clean sample's error: max(α²/σ², 1), or α²/σ² + 1"),
  })
  .refine(({ from, steps }) => Number.isInteger(Math.log2(from / steps)) && from > steps, {
    message: 'from must be steps times 2, 4, 8 …: every round halves the steps',
  });
type Options = z.infer<typeof config>;

/** Rounds of halving: each student takes one step where its teacher takes two. */
export const progressive = defineMethod<Options>({
  slug: 'progressive',
  family: 'generative',
  meta: {
    title: 'Progressive Distillation for Fast Sampling of Diffusion Models',
    year: 2022,
    link: 'arXiv 2202.00512',
    summary: 'halve the sampling steps in rounds: one student step learns to do what two teacher steps do',
    deviations: ['times run from tMin to tMax instead of 0 to 1; the last step ends in the clean sample'],
  },
  needs: { tasks: ['diffuse'], signals: [['weights']], labels: 'unused', sameVocabulary: false },
  config,
  loss({ models, random, diffusion, columns, masks }, { steps, weight }) {
    const setting = diffusion!;
    const { tMin, tMax } = setting;
    const x0 = columns['input/sample'];
    const size = (tMax - tMin) / steps;
    const i = add(floor(random!.uniform([masks.examples.shape[0]], 0, steps)), 1);
    const at = (back: number) => levelsAt(setting, add(mul(add(i, -back), size), tMin));
    const step = { from: at(0), mid: at(0.5), to: at(1) };
    const z = addNoise(x0, random!.normal(x0.shape), step.from);
    const [student, teacher] = [models!.student, models!.teacher!].map((m) =>
      predictSample(networkOf(m), setting),
    );
    const { target } = progressiveTarget<typeof step.from>((x, l) => teacher(x, l.t), z, step);
    return {
      progressive: { value: progressiveError(student(z, step.from.t), target, step.from, weight).error },
    };
  },
  calls: {
    uses: ['teacher'],
    data: 'rows',
    start: () => 'teacher',
    rounds(options) {
      const rounds: Options[] = [];
      for (let from = options.from; from > options.steps; from /= 2)
        rounds.push({ ...options, from, steps: from / 2 });
      return rounds;
    },
    draw: ({ student, noise, diffusion, labels }, { steps }) =>
      drawByDdim(predictSample(networkOf(student), diffusion), noise, diffusion, { steps, labels }),
    evaluations: ({ steps }) => steps,
  },
});
