import { ringCentres } from '../../data/generators/points.ts';
import { modeHits, precisionRecall, rootMeanSquare, slicedWasserstein } from '../../evaluate/samples.ts';
import { type NDArray, squaredDifference } from '../../graph/index.ts';
import { rowMean } from '../../losses/diffusion/process.ts';
import { type BootOptions, boot as method } from '../../methods/generative/boot.ts';
import { consistency } from '../../methods/generative/consistency.ts';
import { denoising } from '../../methods/generative/denoising.ts';
import { progressive } from '../../methods/generative/progressive.ts';
import type { Method } from '../../methods/method.ts';
import { createRng } from '../../util/rng.ts';
import { drawModel, drawSamples, normalNoise, openSampler } from '../diffusion/draw.ts';
import { emptySource, sampleSource } from '../diffusion/fit.ts';
import type { Budget } from './fit.ts';
import { type FitSpec, fitRounds, pointNetwork, ringPoints, ringSetting } from './ring.ts';
import { defineReproduction, type Measured } from './types.ts';

interface Settings {
  std: number;
  /** Points that the teacher, and the students that need data, learn from. */
  points: number;
  /** Points and samples that are compared. */
  test: number;
  hidden: number;
  teacher: Budget;
  student: Budget;
  ema: number;
}

const DDIM = [1, 2, 4, 8, 16, 64];

/** Direct regression on the teacher's own samples, stored with the noise they came from: data-free too, but offline. */
const pairs: Method<BootOptions> = {
  ...method,
  slug: 'pairs',
  loss({ models, columns, diffusion }, config) {
    const noise = columns['input/noise'];
    const drawn = method.calls!.draw({ student: models!.student, noise, diffusion: diffusion! }, config);
    return { pairs: { value: rowMean(squaredDifference(drawn, columns['input/sample'])) } };
  },
  calls: { ...method.calls!, uses: [], data: 'rows' },
};

const ARMS: Record<string, { what: string; method: Method; options?: Record<string, unknown> }> = {
  boot: { what: 'BOOT: δ 0.04, weight 1/κ², β 1, from the teacher’s weights; 1 evaluation', method },
  bootFresh: { what: 'BOOT from fresh weights', method, options: { start: 'fresh' } },
  pairs: {
    what: 'regression on as many stored (noise, DDIM-64 sample) pairs as the teacher had points',
    method: pairs,
  },
  consistency: { what: 'consistency distillation (needs data); 1 evaluation', method: consistency },
  progressive: {
    what: 'progressive distillation 64 → 1 in 6 rounds (needs data); 1 evaluation',
    method: progressive,
  },
};

export const boot = defineReproduction<Settings>({
  slug: 'boot',
  paper:
    'One evaluation of a student that saw no data reaches FID 9.0 on FFHQ-64, 16.3 on ImageNet-64, 23.4 on LSUN bedrooms and 6.88 on CIFAR-10 (4.38 with a perceptual distance), near DDIM with 10 and more steps and far from one DDIM step (225 on FFHQ-64); it is weaker than consistency models and loses some diversity.',
  claim:
    'Trained on noise only, the one-step student’s sliced Wasserstein distance to the data is at most a quarter of that of one DDIM step of its teacher, at most 1.1 times that of four, and with a well-trained teacher at most 1.3 times that of eight.',
  data: ['generated: ring of 8 Gaussians'],
  settings: {
    std: 0.08,
    points: 20_000,
    test: 4000,
    hidden: 96,
    teacher: { steps: 4000, batch: 512, lr: 1e-3 },
    student: { steps: 4000, batch: 256, lr: 1e-3 },
    ema: 0.995,
  },
  quick: {
    teacher: { steps: 800, batch: 256, lr: 1e-3 },
    student: { steps: 400, batch: 128, lr: 1e-3 },
  },
  seeds: [1, 2, 3],
  arms: {
    floor: 'other points of the same ring',
    ...Object.fromEntries(DDIM.map((n) => [`ddim${n}`, `teacher, DDIM with ${n} step${n > 1 ? 's' : ''}`])),
    ...Object.fromEntries(Object.entries(ARMS).map(([n, a]) => [n, a.what])),
  },
  metrics: {
    sw: 'sliced Wasserstein-2 distance to 4,000 test points, 64 directions',
    hit: 'share of samples within 0.25 of a centre, %',
    modes: 'share of the 8 centres that some sample lies near to, %',
    recall:
      'share of test points that lie within the reach (third neighbour) of some sample, 1,000 of each, %',
    rmse: 'root mean square difference to the teacher’s DDIM-64 sample of the same noise',
  },
  criteria: [
    {
      says: 'the distance is at most 0.25 times that of one DDIM step',
      metric: 'sw',
      arm: 'boot',
      against: ['ddim1'],
      better: 'lower',
      by: { share: 0.75 },
      role: 'main',
    },
    {
      says: 'at most 1.1 times that of four DDIM steps',
      metric: 'sw',
      arm: 'boot',
      against: ['ddim4'],
      better: 'lower',
      by: { share: -0.1 },
      role: 'main',
    },
    {
      says: 'at most 1.3 times that of eight DDIM steps',
      metric: 'sw',
      arm: 'boot',
      against: ['ddim8'],
      better: 'lower',
      by: { share: -0.3 },
      role: 'main',
    },
    {
      says: 'the teacher with 64 steps stays ahead in distance',
      metric: 'sw',
      arm: 'ddim64',
      against: ['boot'],
      better: 'lower',
      by: { atLeast: 0 },
      role: 'secondary',
    },
    {
      says: 'consistency distillation, which needs data, is ahead in distance',
      metric: 'sw',
      arm: 'consistency',
      against: ['boot'],
      better: 'lower',
      by: { atLeast: 0 },
      role: 'secondary',
    },
    {
      says: 'every mode is still drawn',
      metric: 'modes',
      arm: 'boot',
      against: ['floor'],
      better: 'higher',
      by: { within: 1e-9 },
      role: 'secondary',
    },
    {
      says: 'the samples are less spread than the teacher’s: recall is lower',
      metric: 'recall',
      arm: 'ddim64',
      against: ['boot'],
      better: 'higher',
      by: { atLeast: 0 },
      role: 'secondary',
    },
    {
      says: 'starting from the teacher’s weights is better than from fresh ones',
      metric: 'sw',
      arm: 'boot',
      against: ['bootFresh'],
      better: 'lower',
      by: { atLeast: 0 },
      role: 'secondary',
    },
    {
      says: 'bootstrapping keeps up with regression on stored pairs',
      metric: 'sw',
      arm: 'boot',
      against: ['pairs'],
      better: 'lower',
      by: { atLeast: 0 },
      role: 'secondary',
    },
  ],
  pilot: {
    figures: {
      floor: '0.038',
      ddim1: '0.667 / 0.2 %',
      ddim2: '0.352',
      ddim4: '0.128 / 54 %',
      ddim8: '0.051 / 81 %',
      ddim16: '0.032',
      ddim64: '0.023 / 90 %',
      boot: '0.055 / 81 % / 0.062',
      bootFresh: '0.084 / 63 %',
    },
    differs:
      'a reference implementation in another framework, one seed: distance / hits / difference to DDIM-64, students with batches of 512 instead of 256; there the weight 1/δ² gave 0.054, and leaving out the boundary loss made no difference that could be seen',
  },
  differs: [
    'eight Gaussians in the plane instead of images, so distances between samples instead of FID; the figures of FFHQ, LSUN, ImageNet and CIFAR-10 cannot be checked at this size',
    'the network is a perceptron with three layers; squared distance, so the gain from a perceptual distance is not checked',
    'students take half the batch of the teacher; every arm but the teacher gets the same number of steps, and progressive distillation divides them among its rounds',
    'the last DDIM step ends in the clean sample, so that one step is the teacher’s guess at tMax',
    'each seed has its own points, teacher and noise; its arms share them',
  ],
  async run({ engine, tell }, s, seed) {
    const rng = createRng(`boot/${seed}`);
    const ring = (count: number): NDArray => ringPoints(count, s.std, rng);
    const [data, test, floor] = [ring(s.points), ring(s.test), ring(s.test)];
    const noise = normalNoise(s.test, [2], `boot/${seed}`);
    const model = pointNetwork(s.hidden);
    const trained = (o: Omit<FitSpec, 'engine' | 'model' | 'ema'>) =>
      fitRounds({ engine, model, ema: s.ema, ...o });
    const teacher = await trained({
      ...s.teacher,
      method: denoising,
      options: {},
      source: sampleSource(data),
      seed: `${seed}/teacher`,
    });
    const results: Record<string, Measured> = {};
    let reference: NDArray | undefined;
    const measure = (arm: string, samples: NDArray): void => {
      const { hit, modes } = modeHits(samples, ringCentres(8), 0.25);
      results[arm] = {
        sw: slicedWasserstein(samples, test),
        hit: 100 * hit,
        modes: 100 * modes,
        recall: 100 * precisionRecall(samples, test).recall,
        ...(reference && arm !== 'floor' ? { rmse: rootMeanSquare(samples, reference) } : {}),
      };
      tell(
        `${arm} sw ${results[arm].sw.toFixed(3)} hit ${results[arm].hit.toFixed(1)} rmse ${(results[arm].rmse ?? 0).toFixed(3)}`,
      );
    };
    const sampler = await openSampler(engine, model, teacher.params, ringSetting);
    reference = await sampler.draw(noise, { steps: 64 });
    measure('floor', floor);
    for (const steps of DDIM) measure(`ddim${steps}`, await sampler.draw(noise, { steps }));
    const stored = normalNoise(s.points, [2], `boot/${seed}/pairs`);
    const answers = await sampler.draw(stored, { steps: 64 });
    await sampler.dispose();
    for (const [name, arm] of Object.entries(ARMS)) {
      const source =
        arm.method === pairs
          ? sampleSource(answers, { 'input/noise': stored })
          : arm.method.calls!.data === 'rows'
            ? sampleSource(data)
            : emptySource(s.points);
      const config = arm.method.config.parse(arm.options ?? {});
      const student = await trained({
        ...s.student,
        method: arm.method,
        options: arm.options ?? {},
        source,
        teacher,
        seed: `${seed}/student`,
      });
      const drawn = drawModel(arm.method, config, model, ringSetting);
      measure(name, await drawSamples(engine, drawn, student.params, noise));
    }
    return results;
  },
});
