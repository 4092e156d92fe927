import { expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import { array, toNumbers } from '../ndarray.ts';
import { spec, trace } from '../trace.ts';
import { logsumexp } from './reductions.ts';

it('logsumexp is right on onnxruntime for rows that begin with -∞, and for +∞', async () => {
  const inf = Number.POSITIVE_INFINITY;
  const x = array([
    [-inf, -inf, -2e4, -1e4, 0, 3],
    [-inf, -inf, -inf, -inf, -inf, -inf],
    [-inf, 1e4, 1e4, -inf, 5, 1],
    [1, inf, 2, 3, 4, 5],
  ]);
  for (const keepDims of [false, true]) {
    const { graph } = trace((t) => [logsumexp(t, 1, keepDims)], [spec(x.shape)], ['x']);
    const want = toNumbers(interpret(graph, [x])[0]);
    const got = toNumbers((await runOrt(graph, [x]))[0]);
    got.forEach((g, i) => {
      if (Number.isFinite(want[i]))
        expect(Math.abs(g - want[i])).toBeLessThan(1e-5 * Math.max(1, Math.abs(want[i])));
      else expect(g).toBe(want[i]);
    });
  }
});
