import { afterAll, describe, expect, it } from 'vitest';
import { gradients, matmul, mul, spec, square, sub, sum, type Tensor, trace } from '../graph/index.ts';
import { lower } from './lower.ts';
import { createNodeEngine } from './node/engine.ts';
import { interpret } from './reference/interpreter.ts';
import { modelOf } from './testing/model.ts';
import { randomNormal } from './testing/problems.ts';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

/** One step of descent on |x·w - y|²; `report`: the gradient is an output too. */
const descent = (report: boolean) =>
  trace(
    (w: Tensor, x: Tensor, y: Tensor, lr: Tensor) => {
      const loss = sum(square(sub(matmul(x, w), y)));
      const [g] = gradients(loss, [w]);
      return report ? [sub(w, mul(g, lr)), loss, g] : [sub(w, mul(g, lr)), loss];
    },
    [spec([5, 3]), spec([4, 5]), spec([4, 3]), spec([])],
    ['w', 'x', 'y', 'lr'],
  ).graph;

describe('lower', () => {
  it('accumulates plain descent onto the matrix in one Gemm, with the result of the oracle', async () => {
    const lr = randomNormal('lr', [], 0.1);
    const inputs = [randomNormal('w', [5, 3]), randomNormal('x', [4, 5]), randomNormal('y', [4, 3]), lr];
    for (const report of [false, true]) {
      const graph = descent(report);
      const gemms = modelOf(lower(graph, 1).bytes).filter((n) => n.opType === 'Gemm');
      // where the gradient itself is wanted, nothing is fused
      expect(gemms.some((n) => n.input.length === 3)).toBe(!report);
      const got = await (await engine.load(graph, { state: 1 })).run(inputs);
      interpret(graph, inputs).forEach((want, i) => {
        want.data.forEach((v, j) => {
          expect(got[i].data[j]).toBeCloseTo(Number(v), 4);
        });
      });
    }
  });
});
