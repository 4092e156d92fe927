import { describe, expect, it } from 'vitest';
import { interpret } from '../engine/reference/interpreter.ts';
import { runOrt } from '../engine/testing/run-ort.ts';
import {
  castArray,
  gradients,
  linear,
  mul,
  type NDArray,
  ndarray,
  spec,
  sum,
  sym,
  type Tensor,
  toNumbers,
  topologicalNodes,
  trace,
} from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { type ChunkDivergence, chunkedDivergence, chunkedSum } from './chunked.ts';
import { forwardKl, generalizedJsd, reverseKl, temperedLogp, totalVariation } from './divergences.ts';

const rng = createRng('chunked');
const random = (...shape: number[]): NDArray =>
  ndarray(
    Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  );

const cases: { name: string; divergence: ChunkDivergence; plain: (q: Tensor, p: Tensor) => Tensor }[] = [
  { name: 'forward KL', divergence: { kind: 'forward_kl' }, plain: forwardKl },
  { name: 'reverse KL', divergence: { kind: 'reverse_kl' }, plain: reverseKl },
  {
    name: 'JSD',
    divergence: { kind: 'jsd', beta: 0.3 },
    plain: (q, p) => generalizedJsd(q, p, { beta: 0.3 }),
  },
  { name: 'a custom one', divergence: { kind: 'custom', divergence: totalVariation }, plain: totalVariation },
];

/** Largest |a - b| over all outputs, relative to the largest |b| of each. */
function worst(a: readonly NDArray[], b: readonly NDArray[]): number {
  return Math.max(
    ...a.map((x, i) => {
      const [u, v] = [toNumbers(x), toNumbers(b[i])];
      const scale = v.reduce((m, z) => Math.max(m, Math.abs(z)), 1);
      return u.reduce((m, z, j) => Math.max(m, Math.abs(z - v[j])), 0) / scale;
    }),
  );
}

describe.each(cases)('chunked $name equals the plain one', ({ divergence, plain }) => {
  // tokens, student width, teacher width, vocabulary, chunk
  it.each([
    [7, 3, 4, 11, 3],
    [6, 2, 2, 5, 6],
    [5, 4, 3, 1, 2],
    [1, 3, 3, 9, 1],
    [1 + rng.int(9), 1 + rng.int(5), 1 + rng.int(5), 2 + rng.int(12), 1 + rng.int(4)],
  ])('%i tokens, widths %i and %i, vocabulary %i, chunks of %i', async (tokens, ws, wt, vocab, chunk) => {
    const inputs = [
      random(tokens, ws),
      random(vocab, ws),
      random(vocab),
      random(tokens, wt),
      random(vocab, wt),
      random(tokens),
    ];
    const options = { chunk, temperature: 1.7 };
    type Loss = (h: Tensor, w: Tensor, b: Tensor, ht: Tensor, wt: Tensor, weights: Tensor) => Tensor;
    const oneByOne: Loss = (h, w, b, ht, hw, weights) => {
      const d = chunkedDivergence(
        divergence,
        { hidden: h, head: w, bias: b },
        { hidden: ht, head: hw },
        options,
      );
      return sum(mul(weights, d));
    };
    const onePass: Loss = (h, w, b, ht, hw, weights) =>
      chunkedSum(divergence, { hidden: h, head: w, bias: b }, { hidden: ht, head: hw }, weights, options);
    const whole: Loss = (h, w, b, ht, hw, weights) => {
      const q = temperedLogp(linear(h, w, b, { transW: true }), 1.7);
      const p = temperedLogp(linear(ht, hw, undefined, { transW: true }), 1.7);
      return sum(mul(weights, plain(q, p)));
    };
    const graphOf = (loss: Loss, dtype: 'float32' | 'float64') =>
      trace(
        (...x: Tensor[]) => {
          const [h, w, b] = x;
          // the loss twice, so that the cotangent is not 1
          const value = mul(loss(h, w, b, x[3], x[4], x[5]), 2);
          return [value, ...gradients(value, [h, w, b])];
        },
        inputs.map((a) => spec(a.shape, dtype)),
      ).graph;
    const want = interpret(graphOf(whole, 'float64'), inputs);
    const single = inputs.map((a) => castArray(a, 'float32'));
    for (const loss of [oneByOne, onePass]) {
      expect(worst(interpret(graphOf(loss, 'float64'), inputs), want)).toBeLessThan(1e-12);
      expect(worst(await runOrt(graphOf(loss, 'float32'), single), want)).toBeLessThan(1e-5);
    }
  });
});

describe('chunked divergences', () => {
  it('stay finite with their gradients on logits of ±1e4, and weights of 0 take tokens out', () => {
    const big = (a: NDArray): NDArray =>
      ndarray(
        toNumbers(a).map((v) => 1e4 * v),
        a.shape,
      );
    const [h, w, ht, wt] = [big(random(5, 3)), random(9, 3), big(random(5, 3)), random(9, 3)];
    for (const { divergence } of cases) {
      const run = (weights: number[], rows: number[]): NDArray[] => {
        const pick = (a: NDArray): NDArray =>
          ndarray(Float64Array.from(rows.flatMap((r) => [...toNumbers(a).subarray(3 * r, 3 * r + 3)])), [
            rows.length,
            3,
          ]);
        const inputs = [pick(h), w, pick(ht), wt, ndarray(Float64Array.from(weights), [rows.length])];
        const { graph } = trace(
          (a: Tensor, b: Tensor, c: Tensor, d: Tensor, k: Tensor) => {
            const loss = chunkedSum(divergence, { hidden: a, head: b }, { hidden: c, head: d }, k, {
              chunk: 2,
            });
            return [loss, ...gradients(loss, [b])];
          },
          inputs.map((a) => spec(a.shape, 'float64')),
        );
        return interpret(graph, inputs);
      };
      const masked = run([1, 0, 1, 0, 1], [0, 1, 2, 3, 4]);
      expect(masked.every((a) => toNumbers(a).every(Number.isFinite))).toBe(true);
      expect(worst(masked, run([1, 1, 1], [0, 2, 4]))).toBeLessThan(1e-12);
    }
  });

  it('hold no matrix of all tokens and the vocabulary', () => {
    const [tokens, width, vocab, chunk] = [64, 4, 100, 8];
    const { graph } = trace(
      (h: Tensor, w: Tensor, ht: Tensor, wt: Tensor, weights: Tensor) => {
        const d = chunkedSum({ kind: 'jsd' }, { hidden: h, head: w }, { hidden: ht, head: wt }, weights, {
          chunk,
        });
        const e = chunkedDivergence(
          { kind: 'jsd' },
          { hidden: h, head: w },
          { hidden: ht, head: wt },
          { chunk },
        );
        return [...gradients(d, [h, w]), ...gradients(sum(e), [h, w])];
      },
      [[tokens, width], [vocab, width], [tokens, width], [vocab, width], [tokens]].map((s) => spec(s)),
    );
    const sizes = topologicalNodes(graph.outputs).flatMap((n) =>
      n.types.map((t) => t.shape.reduce<number>((a, d) => a * (d as number), 1)),
    );
    expect(Math.max(...sizes)).toBe(chunk * vocab);
  });

  it('refuse an unknown number of tokens', () => {
    expect(() =>
      trace(
        (h: Tensor, w: Tensor) =>
          chunkedDivergence({ kind: 'forward_kl' }, { hidden: h, head: w }, { hidden: h, head: w }),
        [spec([sym('tokens'), 3]), spec([5, 3])],
      ),
    ).toThrow(/known number of tokens/);
  });
});
