import { z } from 'zod';
import { concat, type NDArray, ndarray, type Tensor } from '../../graph/index.ts';
import { addNoise, predictedNoise } from '../../losses/diffusion/process.ts';
import { diffusionDpo } from '../../losses/diffusion/score.ts';
import { networkOf } from '../../losses/diffusion/setting.ts';
import { denoising } from '../../methods/generative/denoising.ts';
import type { Method } from '../../methods/method.ts';
import { createRng } from '../../util/rng.ts';
import { normalNoise, openSampler, type StepSampler } from '../diffusion/draw.ts';
import { sampleSource, type Trained } from '../diffusion/fit.ts';
import type { Budget } from './fit.ts';
import { pointNetwork, type RingRun, ringSetting } from './ring.ts';

export interface PreferenceSettings {
  std: number;
  hidden: number;
  /** Points that the class-conditional model learns from, and the share that lies at a neighbour of its class's centre. */
  points: number;
  misplaced: number;
  /** Of the class-conditional model whose samples are judged. */
  reference: Budget;
  /** Of Diffusion-DPO and of fine-tuning on winners. */
  preference: Budget;
  /** Judged pairs of samples. */
  pairs: number;
  /** β of Diffusion-DPO, for mean squared errors. */
  beta: number;
}

const [CLASSES, RADIUS] = [8, 0.25];

/** Pairs of samples of one class each, of which the first was preferred. */
export interface Pairs {
  readonly winners: NDArray;
  readonly losers: NDArray;
  /** int32 `[pairs]` */
  readonly labels: NDArray;
}

/** Of two samples for each label, the one whose angle is nearer to that of its class's centre wins. */
export function judged(first: NDArray, second: NDArray, labels: NDArray, classes: number): Pairs {
  const [a, b] = [first, second].map((s) => s.data as Float32Array);
  const off = (xy: Float32Array, i: number): number => {
    const turn = Math.atan2(xy[2 * i + 1], xy[2 * i]) / (2 * Math.PI) - Number(labels.data[i]) / classes;
    return Math.abs(turn - Math.round(turn));
  };
  const winners = new Float32Array(a.length);
  const losers = new Float32Array(a.length);
  for (let i = 0; i < labels.data.length; i++) {
    const [won, lost] = off(a, i) <= off(b, i) ? [a, b] : [b, a];
    winners.set(won.subarray(2 * i, 2 * i + 2), 2 * i);
    losers.set(lost.subarray(2 * i, 2 * i + 2), 2 * i);
  }
  return { winners: ndarray(winners, first.shape), losers: ndarray(losers, first.shape), labels };
}

/** Points around the centre of their class, but a share of them around one of the two next to it. */
export function misplacedRing(count: number, { std, misplaced, classes }: RingNoise, seed: string) {
  const rng = createRng(seed);
  const labels = Int32Array.from({ length: count }, () => rng.int(classes));
  const points = new Float32Array(2 * count);
  labels.forEach((label, i) => {
    const step = rng.uniform() < misplaced ? (rng.int(2) === 0 ? 1 : -1) : 0;
    const angle = (2 * Math.PI * (label + step)) / classes;
    points[2 * i] = Math.cos(angle) + std * rng.normal();
    points[2 * i + 1] = Math.sin(angle) + std * rng.normal();
  });
  return { points: ndarray(points, [count, 2]), labels: ndarray(labels, [count], 'int32') };
}

interface RingNoise {
  readonly std: number;
  /** Share of the points that lie at a neighbour of their class's centre. */
  readonly misplaced: number;
  readonly classes: number;
}

/** Share of samples within a distance of the centre of their own class. */
export function ownCentre({ data }: NDArray, labels: NDArray, classes: number, radius: number): number {
  let hits = 0;
  for (let i = 0; i < labels.data.length; i++) {
    const angle = (2 * Math.PI * Number(labels.data[i])) / classes;
    const [dx, dy] = [Number(data[2 * i]) - Math.cos(angle), Number(data[2 * i + 1]) - Math.sin(angle)];
    if (Math.hypot(dx, dy) <= radius) hits++;
  }
  return hits / labels.data.length;
}

/** Standard deviation of each column of `[rows, 2]`. */
export function columnSpread({ data, shape }: NDArray): number[] {
  return [0, 1].map((c) => {
    const column = Array.from({ length: shape[0] }, (_, i) => Number(data[2 * i + c]));
    const mean = column.reduce((a, v) => a + v, 0) / column.length;
    return Math.sqrt(column.reduce((a, v) => a + (v - mean) ** 2, 0) / column.length);
  });
}

/** A diffusion model that goes on from another one's weights, and is sampled as that is. */
const tuned = (
  slug: string,
  method: Pick<Method, 'config' | 'loss'>,
  uses: readonly 'teacher'[],
): Method => ({
  ...(denoising as Method),
  slug,
  ...method,
  calls: { ...(denoising as Method).calls!, uses, start: () => 'teacher' },
});

/** Diffusion-DPO of a class-conditional model against its own start: winner and loser share class, noise and time. */
export const preferenceTuning = tuned(
  'diffusion-dpo',
  {
    config: z.strictObject({ beta: z.number().positive() }),
    loss({ models, random, diffusion, columns, labels }, { beta }: { beta: number }) {
      const { process, prediction, tMin, tMax } = diffusion!;
      const twice = (x: Tensor): Tensor => concat([x, x], 0);
      const winners = columns['input/sample'];
      const t = twice(random!.uniform([winners.shape[0]], tMin, tMax));
      const eps = twice(random!.normal(winners.shape));
      const levels = process.levels(t);
      const x = addNoise(concat([winners, columns['input/loser']], 0), eps, levels);
      const [own, reference] = [models!.student, models!.teacher!].map((m) =>
        predictedNoise(networkOf(m)(x, t, twice(labels!)), x, levels, prediction),
      );
      return { preference: { value: diffusionDpo(own, reference, eps, beta).loss } };
    },
  },
  ['teacher'],
);

/** Going on with the denoising loss, on winners alone. */
export const winnersOnly = tuned(
  'winners-only',
  {
    config: z.strictObject({}),
    loss: (input) => denoising.loss(input, denoising.config.parse({ dropLabels: 0 })),
  },
  [],
);

/** Diffusion-DPO against fine-tuning on winners, both from one class-conditional model that misplaces some points. */
export async function preferences({
  engine,
  s,
  seed,
  noise,
  trained,
  record,
}: RingRun<PreferenceSettings>): Promise<void> {
  const setting = { ...ringSetting, classes: CLASSES };
  const model = pointNetwork(s.hidden, CLASSES);
  const given = misplacedRing(
    s.points,
    { std: s.std, misplaced: s.misplaced, classes: CLASSES },
    `${seed}/classes`,
  );
  const shared = { model, setting };
  const reference = await trained({
    ...s.reference,
    ...shared,
    method: denoising,
    options: { dropLabels: 0 },
    source: sampleSource(given.points, { labels: given.labels }),
    seed: `${seed}/reference`,
  });
  const asked = anyLabels(noise.shape[0], `${seed}/asked`);
  let before: number[] | undefined;
  const arm = async (name: string, { params }: Trained): Promise<StepSampler> => {
    const sampler = await openSampler(engine, model, params, setting);
    const samples = await sampler.draw(noise, { steps: 50 }, asked);
    const spread = columnSpread(samples);
    before ??= spread;
    const moved = Math.max(...spread.map((v, i) => Math.abs(v / before![i] - 1)));
    record(name, samples, { own: 100 * ownCentre(samples, asked, CLASSES, RADIUS), moved: 100 * moved });
    return sampler;
  };
  const sampler = await arm('reference', reference);
  const labels = anyLabels(s.pairs, `${seed}/pairs`);
  const draw = (k: number) =>
    sampler.draw(normalNoise(s.pairs, [2], `${seed}/pairs/${k}`), { steps: 50 }, labels);
  const { winners, losers } = judged(await draw(1), await draw(2), labels, CLASSES);
  await sampler.dispose();
  const tuned = { ...s.preference, ...shared, teacher: reference, seed: `${seed}/preference` };
  const source = sampleSource(winners, { 'input/loser': losers, labels });
  for (const [name, method, options] of [
    ['sft', winnersOnly, {}],
    ['dpo', preferenceTuning, { beta: s.beta }],
  ] as const)
    await (await arm(name, await trained({ ...tuned, method, options, source }))).dispose();
}

/** A class for each of so many samples. */
function anyLabels(count: number, seed: string): NDArray {
  const rng = createRng(`labels/${seed}`);
  return ndarray(
    Int32Array.from({ length: count }, () => rng.int(CLASSES)),
    [count],
    'int32',
  );
}
