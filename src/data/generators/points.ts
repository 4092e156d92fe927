import { z } from 'zod';
import { createRng, type Rng } from '../../util/rng.ts';
import type { GeneratedSet } from '../builtins.ts';

const shapes = ['ring', 'moons', 'checkerboard', 'spirals'] as const;
export type PointShape = (typeof shapes)[number];

/** Options of `builtin:points`. */
export const pointOptions = z.strictObject({
  shape: z
    .enum(shapes)
    .default('moons')
    .describe('ring of Gaussians, two half moons, 4 × 4 checkerboard, or two spirals'),
  train: z.number().int().positive().default(20_000).describe('points that models learn from'),
  test: z.number().int().positive().default(4000).describe('points that samples are compared with'),
  std: z
    .number()
    .nonnegative()
    .default(0.08)
    .describe('standard deviation around ring centres, moons and spirals'),
  modes: z.number().int().min(2).default(8).describe('Gaussians of the ring'),
  seed: z.number().int().default(1).describe('seed of the generator'),
});
export type PointOptions = z.output<typeof pointOptions>;

/** Centres of the ring's Gaussians: (cos, sin)(2π k / modes). */
export const ringCentres = (modes: number): [number, number][] =>
  Array.from({ length: modes }, (_, k) => [
    Math.cos((2 * Math.PI * k) / modes),
    Math.sin((2 * Math.PI * k) / modes),
  ]);

const draw: Record<PointShape, (rng: Rng, o: Pick<PointOptions, 'std' | 'modes'>) => [number, number]> = {
  ring(rng, { std, modes }) {
    const angle = (2 * Math.PI * rng.int(modes)) / modes;
    return [Math.cos(angle) + std * rng.normal(), Math.sin(angle) + std * rng.normal()];
  },
  moons(rng, { std }) {
    const angle = Math.PI * rng.uniform();
    const upper = rng.int(2) === 0;
    const [x, y] = upper ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)];
    return [x + std * rng.normal(), y + std * rng.normal()];
  },
  checkerboard(rng) {
    const [column, row] = [rng.int(4), rng.int(2)];
    return [column / 2 - 1 + rng.uniform() / 2, row - 1 + (column % 2) / 2 + rng.uniform() / 2];
  },
  spirals(rng, { std }) {
    const along = Math.sqrt(rng.uniform());
    const angle = 3 * Math.PI * along;
    const side = rng.int(2) === 0 ? 1 : -1;
    return [
      side * along * Math.cos(angle) + (std / 2) * rng.normal(),
      side * along * Math.sin(angle) + (std / 2) * rng.normal(),
    ];
  },
};

/** Points of a shape in the plane, row by row `[count, 2]`. */
export function drawPoints(
  count: number,
  rng: Rng,
  { shape, std = 0.08, modes = 8 }: { shape: PointShape; std?: number; modes?: number },
): Float32Array {
  const out = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) out.set(draw[shape](rng, { std, modes }), 2 * i);
  return out;
}

/** Points in the plane with known shapes, for generative models: samples can be judged by eye and by distance. */
export function points(options: PointOptions): GeneratedSet {
  const rows = (split: 'train' | 'test') => (): Record<string, unknown>[] => {
    const xy = drawPoints(options[split], createRng(`points/${options.seed}/${split}`), options);
    return Array.from({ length: options[split] }, (_, i) => ({ x: xy[2 * i], y: xy[2 * i + 1] }));
  };
  return { splits: { train: rows('train'), test: rows('test') }, columns: { features: ['x', 'y'] } };
}
