import { describe, expect, it } from 'vitest';
import { interpret } from '../engine/reference/interpreter.ts';
import {
  abs,
  add,
  array,
  cast,
  clip,
  constant,
  customVjp,
  exp,
  grad,
  gradients,
  hvp,
  jvp,
  log,
  logsumexp,
  matmul,
  max,
  maximum,
  minimum,
  mul,
  type NDArray,
  norm,
  pow,
  prod,
  relu,
  reshape,
  round,
  sin,
  spec,
  split,
  sqrt,
  square,
  std,
  stopGradient,
  straightThrough,
  sub,
  sum,
  type Tensor,
  toNested,
  trace,
  valueAndGrad,
  valueAndGradAux,
  where,
} from './index.ts';

/** Evaluates a function of tensors on the oracle. */
const run = (fn: (...t: Tensor[]) => Tensor | Tensor[], ...inputs: NDArray[]): unknown[] => {
  const { graph } = trace(
    fn,
    inputs.map((a) => spec(a.shape, a.dtype)),
  );
  return interpret(graph, inputs).map(toNested);
};
const slopeAt = (fn: (x: Tensor) => Tensor, x: number[]): unknown =>
  run((t) => gradients(sum(fn(t)), [t]), array(x))[0];

describe('grad and valueAndGrad', () => {
  it('follow trees of parameters', () => {
    const loss = ({ w, b }: { w: Tensor; b: { c: Tensor }[] }, x: Tensor): Tensor =>
      sum(square(add(mul(w, x), b[0].c)));
    const [value, dw, dc] = run(
      (w, c, x) => {
        const [v, g] = valueAndGrad(loss)({ w, b: [{ c }] }, x);
        return [v, g.w, g.b[0].c];
      },
      array([1, 2]),
      array([0.5, 0.5]),
      array([3, -1]),
    );
    expect(value).toBe(3.5 ** 2 + 1.5 ** 2);
    expect(dw).toEqual([21, 3]);
    expect(dc).toEqual([7, -3]);
  });

  it('hand out what else the function returns', () => {
    const [v, aux, g] = run(
      (x) => {
        const [value, extra, slope] = valueAndGradAux(
          (t: Tensor) => [sum(square(t)), exp(t)] as [Tensor, Tensor],
        )(x);
        return [value, extra, slope as Tensor];
      },
      array([0, 2]),
    );
    expect(v).toBe(4);
    expect((aux as number[])[0]).toBe(1);
    expect(g).toEqual([0, 4]);
  });

  it('nest: a derivative inside a function that is differentiated', () => {
    // f(x) = (d/dy y³)(x) = 3x², so f'(x) = 6x
    const cube = (y: Tensor): Tensor => sum(pow(y, 3));
    const [second] = run((x) => grad((t: Tensor) => sum(grad(cube)(t)))(x), array([2, -1]));
    expect(second).toEqual([12, -6]);
    const [third] = run(
      (x) => grad((t: Tensor) => sum(grad((u: Tensor) => sum(grad(cube)(u)))(t)))(x),
      array([2]),
    );
    expect(third).toEqual([6]);
  });

  it('do not mix up levels when a closure captures the outer variable', () => {
    // d/dx [x · (d/dy (x + y))(1)] = 1: the classical perturbation confusion gives 2
    const [g] = run(
      (x) => grad((t: Tensor) => mul(t, grad((y: Tensor) => add(t, y))(constant(1))))(x),
      array(3),
    );
    expect(g).toBe(1);
    // through a closure the captured tensor is a constant to the inner derivative, but not to the outer
    const [h] = run(
      (x) => grad((t: Tensor) => grad((y: Tensor) => mul(mul(t, t), square(y)))(constant(1)))(x),
      array(3),
    );
    expect(h).toBe(12);
    const [same] = run((x) => grad((y: Tensor) => mul(x, y))(x), array(3));
    expect(same).toBe(3);
  });

  it('give zeros where nothing depends, and skip integers', () => {
    expect(run((x, y) => gradients(sum(square(x)), [x, y]), array([1, 2]), array([[5]]))).toEqual([
      [2, 4],
      [[0]],
    ]);
    expect(slopeAt((x) => mul(cast(cast(x, 'int32'), 'float32'), x), [2.5])).toEqual([2]);
  });

  it('add up what several uses contribute, over several outputs of one operator', () => {
    expect(slopeAt((x) => add(mul(x, x), mul(x, 3)), [4])).toEqual([11]);
    expect(
      slopeAt(
        (x) => {
          const [a, b] = split(x, [1, 2]);
          return add(sum(mul(a, 2)), sum(mul(mul(b, b), add(a, 1))));
        },
        [1, 2, 3],
      ),
    ).toEqual([15, 8, 12]);
  });

  it('refuse vectors without seeds and integer outputs', () => {
    expect(() => run((x) => gradients(x, [x]), array([1, 2]))).toThrow(
      /non-scalar \[2\] need seeds.*reduce the loss/,
    );
    expect(() => run((x) => gradients(sum(cast(x, 'int32')), [x]), array([1]))).toThrow(
      /cannot differentiate a int32/,
    );
  });

  it('differentiate tensors inside the graph, with seeds', () => {
    const [g] = run(
      (x) => {
        const hidden = square(x);
        return gradients([exp(hidden)], [hidden], [constant([2, 3])]);
      },
      array([0, 1]),
    );
    expect((g as number[])[0]).toBe(2);
    expect((g as number[])[1]).toBeCloseTo(3 * Math.E, 12);
  });
});

describe('forward mode and Hessian-vector products', () => {
  it('jvp equals the Jacobian times the direction', () => {
    const [y, dy] = run(
      (x, v) => jvp(([t]) => sin(mul(t, t)), [x], [v]),
      array([1, 2]),
      array([0.5, -1]),
    ) as number[][];
    expect(y[0]).toBeCloseTo(Math.sin(1), 12);
    expect(dy[0]).toBeCloseTo(Math.cos(1), 12);
    expect(dy[1]).toBeCloseTo(-4 * Math.cos(4), 12);
  });

  it('jvp takes several arguments and can be nested', () => {
    const [, dy] = run(
      (a, b) => jvp(([x, y]) => mul(x, y), [a, b], [constant(1), constant(10)]),
      array(2),
      array(3),
    );
    expect(dy).toBe(23);
    const [second] = run(
      (x) => jvp(([t]) => jvp(([u]) => pow(u, 3), [t], [constant(1)])[1], [x], [constant(1)])[1],
      array(2),
    );
    expect(second).toBe(12);
  });

  it('hvp equals the Hessian times the direction', () => {
    const a = [
      [2, 1],
      [0, 3],
    ];
    // f = xᵀAx + x₀³: Hessian A + Aᵀ + diag(6x₀, 0)
    const [h] = run(
      (x, v) =>
        hvp(
          ([t]) => {
            const column = reshape(t, [2, 1]);
            const cubed = pow(split(t, 2)[0], 3);
            return add(sum(matmul(column, matmul(constant(a), column), { transA: true })), sum(cubed));
          },
          [x],
          [v],
        )[0],
      array([1, -1]),
      array([1, 2]),
    );
    expect(h).toEqual([4 + 2 + 6, 1 + 12]);
  });
});

describe('conventions at kinks, ties and singular points', () => {
  const cases: [string, (x: Tensor) => Tensor, number[], number[]][] = [
    ['abs at 0 is 0', abs, [-1, 0, 2], [-1, 0, 1]],
    ['relu at 0 is 0', relu, [-1, 0, 2], [0, 0, 1]],
    ['clip is 1 at its limits, 0 outside', (x) => clip(x, -1, 1), [-2, -1, 0, 1, 2], [0, 1, 1, 1, 0]],
    ['maximum shares ties equally', (x) => maximum(x, 1), [0, 1, 2], [0, 0.5, 1]],
    ['minimum shares ties equally', (x) => minimum(x, 1), [0, 1, 2], [1, 0.5, 0]],
    ['max shares ties equally', (x) => max(x), [3, 1, 3], [0.5, 0, 0.5]],
    [
      'pow(0, 0) and pow(0, 1) are flat and straight',
      (x) => pow(x, constant([0, 1, 2])),
      [0, 0, 0],
      [0, 1, 0],
    ],
    ['sqrt at 0 is infinite', sqrt, [0, 4], [Infinity, 0.25]],
    ['norm at 0 is 0', (x) => norm(x), [0, 0], [0, 0]],
    ['std of equal values is 0', (x) => std(x), [2, 2, 2], [0, 0, 0]],
    ['prod with one zero', (x) => prod(x), [2, 0, 3], [0, 6, 0]],
    ['prod with two zeros', (x) => prod(x), [2, 0, 0], [0, 0, 0]],
    ['round is flat', round, [0.2, 0.7], [0, 0]],
    ['logsumexp of -∞ only is flat', (x) => logsumexp(x), [-Infinity, -Infinity], [0, 0]],
    ['logsumexp leaves masked entries out', (x) => logsumexp(x), [0, -Infinity], [1, 0]],
    [
      'where passes nothing to the branch not taken',
      (x) => where(constant(array([true, false], 'bool')), x, 7),
      [1, 2],
      [1, 0],
    ],
  ];
  for (const [name, fn, at, want] of cases) {
    it(name, () => {
      expect(slopeAt(fn, at)).toEqual(want);
    });
  }

  it('pow with a base of 0 or less gives the exponent no gradient', () => {
    const [g] = run((b) => gradients(sum(pow(constant([0, -2, 2]), b)), [b]), array([2, 2, 2])) as number[][];
    expect(g.slice(0, 2)).toEqual([0, 0]);
    expect(g[2]).toBeCloseTo(4 * Math.log(2), 12);
  });

  it('a guarded log is differentiable where it is not taken', () => {
    // the usual double where
    const safeLog = (x: Tensor): Tensor => {
      const ok = constant(array([false, true], 'bool'));
      return where(ok, log(where(ok, x, 1)), 0);
    };
    expect(slopeAt(safeLog, [0, 2])).toEqual([0, 0.5]);
  });
});

describe('gradient control', () => {
  it('stopGradient cuts', () => {
    expect(slopeAt((x) => mul(stopGradient(x), x), [3])).toEqual([3]);
  });

  it('straightThrough takes the value of one and the gradient of the other', () => {
    const rounded = (x: Tensor): Tensor => straightThrough(round(x), x);
    expect(run((x) => rounded(x), array([0.3, 1.7]))[0]).toEqual([0, 2]);
    expect(slopeAt((x) => square(rounded(x)), [0.3, 1.7])).toEqual([0, 4]);
  });

  it('customVjp replaces the rule, and the new rule can be differentiated', () => {
    const reversed = customVjp({
      forward: (x) => square(x),
      backward: ({ inputs: [x], grads: [g] }) => [mul(g!, mul(x, -2))],
    });
    expect(slopeAt((x) => reversed(x)[0], [3])).toEqual([-6]);
    const [second] = run(
      (x) => grad((t: Tensor) => sum(grad((u: Tensor) => sum(reversed(u)[0]))(t)))(x),
      array([3]),
    );
    expect(second).toEqual([-2]);
  });

  it('customVjp may give no cotangent, and checks the count', () => {
    const first = customVjp({ forward: (a, b) => sub(a, b), backward: ({ grads: [g] }) => [g, undefined] });
    expect(run((a, b) => gradients(sum(first(a, b)[0]), [a, b]), array([1]), array([2]))).toEqual([[1], [0]]);
    const wrong = customVjp({ forward: (a, b) => sub(a, b), backward: ({ grads: [g] }) => [g] });
    expect(() => run((a, b) => gradients(sum(wrong(a, b)[0]), [a]), array([1]), array([2]))).toThrow(
      /one cotangent per input/,
    );
  });
});
