import { ringCentres } from '../../data/generators/points.ts';
import { mean } from '../../evaluate/matrix.ts';
import { modeHits, precisionRecall, slicedWasserstein } from '../../evaluate/samples.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import type { PredictionType } from '../../losses/diffusion/process.ts';
import { consistency } from '../../methods/generative/consistency.ts';
import { denoising } from '../../methods/generative/denoising.ts';
import { progressive } from '../../methods/generative/progressive.ts';
import type { BatchSource } from '../../train/batches.ts';
import { createRng } from '../../util/rng.ts';
import { drawModel, drawSamples, normalNoise, openSampler } from '../diffusion/draw.ts';
import { sampleSource } from '../diffusion/fit.ts';
import { type PreferenceSettings, preferences } from './diffusion-preference.ts';
import type { Budget } from './fit.ts';
import { fitRounds, pointNetwork, type RingRun, ringPoints, ringSetting } from './ring.ts';
import { scoreDistilled } from './score-distillation.ts';
import { type Criterion, defineReproduction, type Measured } from './types.ts';

interface Settings extends PreferenceSettings {
  /** Samples of one set, and points that it is compared with. */
  test: number;
  /** Sets that each distance is the mean over. */
  sets: number;
  teacher: Budget;
  /** Of a distilled student; progressive distillation divides it among its rounds. */
  student: Budget;
  /** Of networks that differ in what they put out, and the steps that their students' rounds begin with. */
  outputs: { teacher: Budget; student: Budget; from: number };
  /** Of generators by score distillation. */
  score: Budget;
  ema: number;
}

const DDIM = [1, 2, 4, 8, 16, 50];
const OUTPUTS: readonly PredictionType[] = ['v_prediction', 'sample', 'epsilon'];
const PUT_OUT = { v_prediction: 'velocities', sample: 'clean samples', epsilon: 'noise' } as const;
const [MODES, RADIUS] = [8, 0.25];

const lower = (says: string, arm: string, against: string, by: Criterion['by']): Criterion => ({
  says,
  metric: 'sw',
  arm,
  against: [against],
  better: 'lower',
  by,
  role: 'main',
});

const criteria: Criterion[] = [
  lower('DDIM with 50 steps is within 1.3 times the floor', 'ddim50', 'floor', { share: -0.3 }),
  lower('DDPM with 1,000 steps is within 1.3 times the floor', 'ddpm1000', 'floor', { share: -0.3 }),
  lower('DDIM with 4 steps is not: the floor is below 1 / 1.3 of it', 'floor', 'ddim4', { share: 0.3 / 1.3 }),
  ...[1, 2, 4].map((n) =>
    lower(
      `progressive distillation into ${n} step${n > 1 ? 's' : ''} is ahead of DDIM with as many`,
      `progressive${n}`,
      `ddim${n}`,
      { atLeast: 0 },
    ),
  ),
  lower('consistency distillation in 1 step is ahead of DDIM with 1', 'consistency', 'ddim1', { atLeast: 0 }),
  lower('a one-step student of velocities is ahead of one of noise', 'v_prediction', 'epsilon', {
    atLeast: 0,
  }),
  lower('a one-step student of clean samples is ahead of one of noise', 'sample', 'epsilon', { atLeast: 0 }),
  {
    says: 'Diffusion-DPO puts more samples near the preferred centre than fine-tuning on winners',
    metric: 'own',
    arm: 'dpo',
    against: ['sft'],
    better: 'higher',
    by: { atLeast: 1 },
    role: 'main',
  },
  {
    says: 'Diffusion-DPO moves no column’s standard deviation by more than 20 %',
    metric: 'moved',
    arm: 'dpo',
    against: ['reference'],
    better: 'lower',
    by: { atLeast: -20 },
    role: 'main',
  },
  {
    says: 'VSD covers at least one mode of eight more than SDS',
    metric: 'modes',
    arm: 'vsd',
    against: ['sds'],
    better: 'higher',
    by: { atLeast: 12.5 },
    role: 'main',
  },
  {
    says: 'VSD brings more samples near a centre than one DDIM step, where it starts',
    metric: 'hit',
    arm: 'vsd',
    against: ['ddim1'],
    better: 'higher',
    by: { atLeast: 0 },
    role: 'secondary',
  },
];

/** The shared parts of diffusion distillation, on a ring of eight Gaussians. */
export const diffusionCore = defineReproduction<Settings>({
  slug: 'diffusion-core',
  paper:
    'DDIM draws in 50 steps what DDPM draws in 1,000 (Song et al. 2020); students by progressive (Salimans & Ho 2022) and consistency distillation (Song et al. 2023) draw in 1 to 4 steps, the former only where networks put out velocities or clean samples; Diffusion-DPO raises the share of preferred samples above fine-tuning on winners (Wallace et al. 2023); variational score distillation keeps the variety that score distillation sampling loses (Wang et al. 2023).',
  claim:
    'On a ring of Gaussians: DDIM with 50 and DDPM with 1,000 steps come within 1.3 times the floor of the distance to the data and DDIM with 4 does not; distilled students are ahead of DDIM with as many steps; one-step students of velocities and of clean samples are ahead of one of noise; Diffusion-DPO puts more samples near the preferred centre than fine-tuning on winners, without moving a standard deviation by more than 20 %; and VSD covers more modes than SDS.',
  data: ['generated: ring of 8 Gaussians'],
  settings: {
    std: 0.08,
    points: 20_000,
    test: 1000,
    sets: 8,
    hidden: 96,
    teacher: { steps: 4000, batch: 512, lr: 2e-3 },
    student: { steps: 3000, batch: 256, lr: 1e-3 },
    outputs: {
      teacher: { steps: 1500, batch: 256, lr: 2e-3 },
      student: { steps: 1800, batch: 256, lr: 1e-3 },
      from: 8,
    },
    score: { steps: 2000, batch: 256, lr: 3e-4 },
    reference: { steps: 3000, batch: 256, lr: 2e-3 },
    preference: { steps: 600, batch: 256, lr: 3e-4 },
    misplaced: 0.3,
    pairs: 8000,
    beta: 10,
    ema: 0.995,
  },
  quick: {
    sets: 2,
    teacher: { steps: 800, batch: 256, lr: 1e-3 },
    student: { steps: 600, batch: 128, lr: 1e-3 },
    outputs: {
      teacher: { steps: 400, batch: 256, lr: 2e-3 },
      student: { steps: 200, batch: 128, lr: 1e-3 },
      from: 4,
    },
    score: { steps: 300, batch: 128, lr: 3e-4 },
    reference: { steps: 600, batch: 256, lr: 2e-3 },
    preference: { steps: 200, batch: 128, lr: 3e-4 },
    pairs: 2000,
  },
  seeds: [4, 5, 6],
  arms: {
    floor: 'other points of the same ring',
    ...Object.fromEntries(DDIM.map((n) => [`ddim${n}`, `teacher, DDIM, ${n} step${n > 1 ? 's' : ''}`])),
    ddpm1000: 'teacher, DDPM, 1,000 steps',
    ...Object.fromEntries(
      [4, 2, 1].map((n) => [
        `progressive${n}`,
        `progressive distillation from 64, ${n} step${n > 1 ? 's' : ''}`,
      ]),
    ),
    consistency: 'consistency distillation from the teacher’s weights, 1 step',
    ...Object.fromEntries(
      OUTPUTS.flatMap((o) => [
        [`${o}-teacher`, `teacher that puts out ${PUT_OUT[o]}, shorter training, DDIM, 8 steps`],
        [o, `progressive distillation of it, 1 step: the student puts out ${PUT_OUT[o]} too`],
      ]),
    ),
    sds: 'one-step generator by score distillation sampling, from the teacher’s weights',
    vsd: 'the same by variational score distillation',
    reference: 'class-conditional model, DDIM, 50 steps',
    sft: 'the same after fine-tuning on winners',
    dpo: 'the same after Diffusion-DPO',
  },
  metrics: {
    sw: 'sliced Wasserstein-2 distance of 1,000 samples to 1,000 test points, 64 directions, mean over 8 such sets',
    hit: 'share of samples within 0.25 of a centre, %',
    modes: 'share of the 8 centres that hold at least half an even share of the samples, %',
    recall: 'share of 1,000 test points within the reach (third neighbour) of some of 1,000 samples, %',
    own: 'share of samples within 0.25 of the centre of their class, %',
    moved: 'largest change of a column’s standard deviation from that of the reference’s samples, %',
  },
  criteria,
  pilot: {
    figures: {
      floor: '0.038',
      ddim1: '0.667',
      ddim2: '0.352',
      ddim4: '0.128',
      ddim8: '0.051',
      ddim16: '0.032',
      ddim50: '0.023 (64 steps)',
    },
    differs:
      'distances of a reference implementation in another framework between 4,000 samples and 4,000 points, one seed and one set: a distance falls as sets grow, and one draw is so uncertain that a sampler can lie below the floor',
  },
  differs: [
    'points in the plane instead of images, distances between samples instead of FID, a perceptron of three layers; the reward models and prompts of the preference experiments are replaced by the angle to a class’s centre',
    'distances, and their floor, are means over eight pairs of sets: between two draws of the data the distance itself varies by a third',
    'one step of DDIM is the teacher’s guess at tMax; every sampler’s last step ends in the clean sample',
    'what networks put out is compared in a shorter training of teachers of each kind, with halving from 8 steps',
    'the class-conditional data put 30 % of the points at a neighbour of their class’s centre, so that there is something to prefer; winners and losers are both drawn from the reference model, the one nearer in angle wins',
    'score distillation is of points, by a generator of one step, instead of by a 3-D scene; weight σ², times uniform',
  ],
  async run({ engine, tell }, s, seed) {
    const rng = createRng(`diffusion-core/${seed}`);
    const [data, test, floor] = [s.points, s.sets * s.test, s.sets * s.test].map((n) =>
      ringPoints(n, s.std, rng),
    );
    const results: Record<string, Measured> = {};
    const record = (arm: string, samples: NDArray, own?: Measured): void => {
      results[arm] = own ?? figures(samples, test, s);
      tell(Object.entries(results[arm]).reduce((line, [m, v]) => `${line} ${m} ${v.toPrecision(3)}`, arm));
    };
    record('floor', floor);
    const ring: RingRun<Settings> = {
      engine,
      s,
      seed,
      noise: normalNoise(s.sets * s.test, [2], `diffusion-core/${seed}`),
      trained: (spec) => fitRounds({ engine, ema: s.ema, ...spec }),
      record,
    };
    const source = sampleSource(data);
    await unconditional(ring, source);
    await outputs(ring, source);
    await preferences(ring);
    return results;
  },
});

/** Samples against test points, set by set where the figure depends on their number. */
function figures(samples: NDArray, test: NDArray, { sets, test: size }: Settings): Measured {
  const part = (a: NDArray, i: number): NDArray =>
    ndarray((a.data as Float32Array).subarray(2 * i * size, 2 * (i + 1) * size), [size, 2]);
  const distances = Array.from({ length: sets }, (_, i) =>
    slicedWasserstein(part(samples, i), part(test, i)),
  );
  const { hit, modes } = modeHits(samples, ringCentres(MODES), RADIUS, { even: 0.5 });
  const { recall } = precisionRecall(part(samples, 0), part(test, 0));
  return { sw: mean(distances), hit: 100 * hit, modes: 100 * modes, recall: 100 * recall };
}

/** Samplers, step distillation, parametrizations and score distillation: everything without classes. */
async function unconditional(
  { engine, s, seed, noise, trained, record }: RingRun<Settings>,
  source: BatchSource,
): Promise<void> {
  const model = pointNetwork(s.hidden);
  const teacher = await trained({
    ...s.teacher,
    model,
    method: denoising,
    options: {},
    source,
    seed: `${seed}/teacher`,
  });
  const sampler = await openSampler(engine, model, teacher.params, ringSetting);
  for (const steps of DDIM) record(`ddim${steps}`, await sampler.draw(noise, { steps }));
  record('ddpm1000', await sampler.draw(noise, { steps: 1000, sampler: 'ddpm', seed }));
  await sampler.dispose();
  const student = { ...s.student, model, source, teacher, seed: `${seed}/student` };
  await trained({
    ...student,
    method: progressive,
    options: { from: 64, steps: 1 },
    async onRound({ params }, config) {
      const { steps } = config as { steps: number };
      const drawn = drawModel(progressive, config, model, ringSetting);
      if (steps <= 4) record(`progressive${steps}`, await drawSamples(engine, drawn, params, noise));
    },
  });
  const consistent = await trained({ ...student, method: consistency, options: {} });
  const drawn = drawModel(consistency, consistency.config.parse({}), model, ringSetting);
  record('consistency', await drawSamples(engine, drawn, consistent.params, noise));
  for (const kind of ['sds', 'vsd'] as const)
    record(
      kind,
      await scoreDistilled({
        ...s.score,
        engine,
        teacher,
        setting: ringSetting,
        kind,
        ema: s.ema,
        seed: `${seed}/score`,
        noise,
      }),
    );
}

/** Teachers that put out velocities, clean samples or noise, and their one-step students by progressive distillation. */
async function outputs(
  { engine, s, seed, noise, trained, record }: RingRun<Settings>,
  source: BatchSource,
): Promise<void> {
  const { teacher: first, student, from } = s.outputs;
  const model = pointNetwork(s.hidden);
  const options = { from, steps: 1 };
  for (const prediction of OUTPUTS) {
    const setting = { ...ringSetting, prediction };
    const shared = { model, setting, source };
    const denoiser = { ...first, ...shared, method: denoising, options: {}, seed: `${seed}/outputs/teacher` };
    const teacher = await trained(denoiser);
    const sampler = await openSampler(engine, model, teacher.params, setting);
    record(`${prediction}-teacher`, await sampler.draw(noise, { steps: from }));
    await sampler.dispose();
    const halved = { ...student, ...shared, method: progressive, options, teacher, seed: `${seed}/outputs` };
    const drawn = drawModel(progressive, progressive.config.parse(options), model, setting);
    record(prediction, await drawSamples(engine, drawn, (await trained(halved)).params, noise));
  }
}
