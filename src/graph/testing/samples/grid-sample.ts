import { ndarray } from '../../ndarray.ts';
import { gridSample } from '../../ops/grid-sample.ts';
import { type OpSamples, randomArray } from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

const samples: OpSamples[] = [
  {
    op: 'gridSample',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [n, c, h, w] = [1 + rng.int(2), 1 + rng.int(2), 2 + rng.int(3), 2 + rng.int(3)];
      const [rows, columns] = [1 + rng.int(3), 1 + rng.int(3)];
      const padding = rng.pick(['zeros', 'border'] as const);
      const alignCorners = rng.uniform() < 0.5;
      // points some way off the pixel centres and borders, where the derivative jumps; some outside the image
      const point = (size: number): number => {
        const off = rng.int(size + 3) - 2 + 0.2 + 0.6 * rng.uniform();
        return alignCorners ? (2 * off) / (size - 1) - 1 : (2 * off + 1) / size - 1;
      };
      const grid = Float32Array.from({ length: n * rows * columns * 2 }, (_, i) => point(i % 2 ? h : w));
      return {
        inputs: [randomArray(rng, [n, c, h, w]), ndarray(grid, [n, rows, columns, 2])],
        apply: (x, points) => gridSample(x, points, { padding, alignCorners }),
      };
    },
  },
];

export const gridSampleSamples: OpSamples[] = [...samples, ...gradientsOf(samples)];
