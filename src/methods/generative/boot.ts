import { z } from 'zod';
import {
  add,
  cast,
  div,
  floor,
  mul,
  neg,
  reciprocal,
  square,
  squaredDifference,
  stopGradient,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import {
  addNoise,
  ddimStep,
  guided,
  type Levels,
  type NoiseProcess,
  perRow,
  rowMean,
} from '../../losses/diffusion/process.ts';
import {
  type DiffusionSetting,
  forRows,
  type Network,
  networkOf,
  predictSample,
} from '../../losses/diffusion/setting.ts';
import { DecantError } from '../../util/errors.ts';
import type { RandomNumbers } from '../calls.ts';
import { defineMethod } from '../method.ts';

const config = z.strictObject({
  delta: z
    .number()
    .positive()
    .max(0.5)
    .default(0.04)
    .describe('step in time between a target and what it is made of; about 1/25 of the range'),
  beta: z.number().nonnegative().default(1).describe('weight of the boundary loss'),
  weight: z
    .enum(['inv-kappa2', 'one-over-delta2'])
    .default('inv-kappa2')
    .describe('weight of the bootstrapping error: 1/κ² (in units of f - y), or 1/δ²'),
  solver: z
    .enum(['euler', 'heun'])
    .default('euler')
    .describe('how the teacher takes the step; heun asks it twice and accumulates less error'),
  rate: z.enum(['exact', 'first-order']).default('exact').describe('κ of an exact DDIM step, or δ λ′'),
  guidance: z
    .number()
    .nonnegative()
    .default(1)
    .describe("weight w of classifier-free guidance of a conditional teacher; 1 is the teacher's own output"),
  start: z
    .enum(['teacher', 'fresh'])
    .default('teacher')
    .describe("the student's first weights: the teacher's, or fresh ones"),
});
export type BootOptions = z.infer<typeof config>;

/** κ of a step from t to s: 1 - (α_t σ_s) / (σ_t α_s), or (t - s) dλ/dt. */
export const stepRate = (process: NoiseProcess, t: Tensor, s: Tensor, rate: BootOptions['rate']): Tensor => {
  const [a, b] = [process.levels(t), process.levels(s)];
  return rate === 'exact'
    ? sub(1, div(mul(a.alpha, b.sigma), mul(a.sigma, b.alpha)))
    : mul(sub(t, s), process.rate(t));
};

interface BootstrapStep {
  /** The signal at t, `[batch, ...]`. */
  readonly y: Tensor;
  readonly eps: Tensor;
  readonly t: Tensor;
  readonly s: Tensor;
  /** The teacher's clean samples. */
  readonly teacher: Network;
  readonly process: NoiseProcess;
}

/**
 * The signal at s < t out of that at t, one teacher step along the Signal-ODE: y + κ (f(x̂_t, t) - y), with
 * x̂_t = α_t y + σ_t ε. Heun averages f with that at the other end.
 */
export function bootstrapTarget(
  { y, eps, t, s, teacher, process }: BootstrapStep,
  { solver, rate }: Pick<BootOptions, 'solver' | 'rate'>,
): { target: Tensor; x: Tensor; f: Tensor; kappa: Tensor } {
  const kappa = stepRate(process, t, s, rate);
  const towards = (f: Tensor): Tensor => add(y, mul(perRow(kappa, y), sub(f, y)));
  const at = (signal: Tensor, levels: Levels): Tensor => addNoise(signal, eps, levels);
  const x = at(y, process.levels(t));
  const f = teacher(x, t);
  if (solver === 'euler') return { target: towards(f), x, f, kappa };
  const there = teacher(at(towards(f), process.levels(s)), s);
  return { target: towards(mul(add(f, there), 0.5)), x, f, kappa };
}

/** Noise and times of one batch. */
interface Draws {
  readonly eps: Tensor;
  readonly t: Tensor;
  readonly boundaryEps: Tensor;
}

/**
 * The bootstrapping error w mean (y_θ(ε, t - δ) - sg target)² and the boundary error mean (f(ε′, tMax) - y_θ(ε′, tMax))²,
 * `[batch]` each. Targets come from the student's current weights and are constant.
 */
export function bootErrors(
  student: Network,
  teacher: Network,
  { eps, t, boundaryEps }: Draws,
  { process, tMax }: Pick<DiffusionSetting, 'process' | 'tMax'>,
  options: Pick<BootOptions, 'delta' | 'weight' | 'solver' | 'rate'>,
) {
  const s = sub(t, options.delta);
  const y = stopGradient(student(eps, t));
  const step = bootstrapTarget({ y, eps, t, s, teacher, process }, options);
  const error = rowMean(squaredDifference(student(eps, s), stopGradient(step.target)));
  const weight = options.weight === 'inv-kappa2' ? reciprocal(square(step.kappa)) : 1 / options.delta ** 2;
  const end = forRows(tMax, boundaryEps);
  const f = stopGradient(teacher(boundaryEps, end));
  return {
    ...step,
    y,
    bootstrap: mul(error, weight),
    boundary: rowMean(squaredDifference(student(boundaryEps, end), f)),
  };
}

/** The student's signal out of its network: at tMax a velocity is minus the clean sample. */
function readOut(network: Network, { prediction }: DiffusionSetting): Network {
  if (prediction === 'epsilon')
    throw new DecantError('pairing', 'BOOT needs a teacher that says something at the noisy end', {
      at: 'diffusion.prediction',
      seen: prediction,
      allowed: 'v_prediction, sample',
      fix: 'train the teacher with v_prediction: predicted noise would be divided by almost 0',
    });
  return prediction === 'sample' ? network : (x, t, labels) => neg(network(x, t, labels));
}

/** One class per row, all alike often. */
const anyLabels = (random: RandomNumbers, eps: Tensor, classes: number): Tensor | undefined =>
  classes === 0 ? undefined : cast(floor(random.uniform([eps.shape[0]], 0, classes)), 'int32');

/** A teacher's clean samples with guidance: f_∅ + w (f_c - f_∅). */
function guidedTeacher(plain: Network, labels: Tensor | undefined, weight: number, classes: number): Network {
  if (!labels || weight === 1) return (x, t) => plain(x, t, labels);
  const none = add(mul(labels, 0), classes);
  return (x, t) => guided(plain(x, t, labels), plain(x, t, none), weight);
}

/** Data-free distillation of a diffusion model into one step, by bootstrapping along its own trajectories. */
export const boot = defineMethod<BootOptions>({
  slug: 'boot',
  family: 'generative',
  meta: {
    title: 'BOOT: Data-free Distillation of Denoising Diffusion Models with Bootstrapping',
    year: 2023,
    link: 'arXiv 2306.05544',
    summary:
      'from noise alone the student learns where the teacher’s sampler is at every time; its output at one time is the target for the next',
    deviations: [
      'no official code: κ is that of an exact DDIM step (first-order on request) and the weight is 1/κ²',
      'a network of velocities is read out as -v, so that it starts at the teacher’s first step',
      'squared distance; the perceptual distance of the image experiments is left out',
    ],
  },
  needs: { tasks: ['diffuse'], signals: [['weights']], labels: 'unused', sameVocabulary: false },
  config,
  loss({ models, random, diffusion, masks }, options) {
    const setting = diffusion!;
    const { tMin, tMax, classes } = setting;
    if (options.delta >= tMax - tMin)
      throw new DecantError('recipe', 'the step is longer than the range of times', {
        at: 'method.options.delta',
        seen: options.delta,
        allowed: `below ${tMax - tMin}`,
      });
    const batch = masks.examples.shape[0];
    const eps = random!.normal([batch, ...setting.shape]);
    const boundaryEps = random!.normal([batch, ...setting.shape]);
    const t = random!.uniform([batch], tMin + options.delta, tMax);
    const labels = anyLabels(random!, eps, classes);
    const network = readOut(networkOf(models!.student), setting);
    const plain = predictSample(networkOf(models!.teacher!), setting);
    const { bootstrap, boundary } = bootErrors(
      (x, time) => network(x, time, labels),
      guidedTeacher(plain, labels, options.guidance, classes),
      { eps, t, boundaryEps },
      setting,
      options,
    );
    return { bootstrap: { value: bootstrap }, boundary: { value: boundary, weight: options.beta } };
  },
  identities: [
    {
      name: 'with the exact rate a target is one DDIM step of the teacher',
      check({ random, models, diffusion }) {
        const { process } = diffusion!;
        const [y, eps] = [random!.normal([5, 2]), random!.normal([5, 2])];
        const [t, s] = [0.7, 0.6].map((time) => forRows(time, y));
        const teacher = predictSample(networkOf(models!.teacher!), diffusion!);
        const { target, x, f } = bootstrapTarget(
          { y, eps, t, s, teacher, process },
          { solver: 'euler', rate: 'exact' },
        );
        const [from, to] = [process.levels(t), process.levels(s)];
        return { got: addNoise(target, eps, to), want: ddimStep(x, f, from, to) };
      },
    },
    {
      name: 'for small steps the first-order rate is the exact one',
      check({ random, diffusion }) {
        const t = random!.uniform([5], 0.2, 0.8);
        const of = (rate: BootOptions['rate']): Tensor =>
          stepRate(diffusion!.process, t, sub(t, 1e-10), rate);
        return { got: of('exact'), want: of('first-order') };
      },
    },
  ],
  calls: {
    uses: ['teacher'],
    data: 'none',
    start: ({ start }) => start,
    draw: ({ student, noise, diffusion, labels }) =>
      readOut(networkOf(student), diffusion)(noise, forRows(diffusion.tMin, noise), labels),
    evaluations: () => 1,
  },
});
