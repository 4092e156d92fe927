import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import { constant, gradients, scalar, spec, sum, type Tensor, toNumbers, trace } from '../../graph/index.ts';
import { f64 } from '../../losses/testing/evaluate.ts';
import { kto, ktoReferencePoint } from '../../losses/unpaired.ts';
import { scopeOf } from '../../nn/scope.ts';
import type { LossInput } from '../method.ts';
import { checkMethod } from '../testing/check-method.ts';
import { dpo } from './dpo.ts';

checkMethod(dpo);

const columns = {
  logp: f64([
    [-4, -6],
    [-3, -9],
  ]),
  length: f64([
    [4, 2],
    [3, 3],
  ]),
  reference: f64([
    [-5, -5],
    [-4, -7],
  ]),
  scores: f64([
    [1, 0],
    [0.2, 0.9],
  ]),
  mismatched: f64([-8, -3]),
  beside: f64([-9, -1]),
};

/** Terms of a loss on two rows of two responses (the second row's better one comes last), and the slope by log π. */
function terms(options: Record<string, unknown>, scalars: Record<string, number> = {}, one = false) {
  const names = Object.keys(columns);
  const given = Object.fromEntries(
    Object.entries(columns).map(([n, a]) => [
      n,
      one && a.shape.length === 2 ? f64([[(a.data as Float64Array)[0]], [(a.data as Float64Array)[2]]]) : a,
    ]),
  );
  let keys: string[] = [];
  const { graph } = trace(
    (...t: Tensor[]) => {
      const x = Object.fromEntries(names.map((n, i) => [n, t[i]]));
      const input = {
        student: { logp: x.logp, length: x.length, mismatched: x.mismatched },
        teacher: {},
        columns: { 'reference/logp': x.reference, scores: x.scores, 'reference/mismatched': x.beside },
        scalars: Object.fromEntries(
          Object.entries(scalars).map(([n, v]) => [n, constant(scalar(v, 'float64'))]),
        ),
        extra: scopeOf({}),
      } as unknown as LossInput;
      const all = dpo.loss(input, dpo.config.parse(options));
      keys = Object.keys(all);
      const own = Object.values(all)[0].value;
      return [...Object.values(all).map((a) => a.value), gradients(sum(own), [x.logp])[0]];
    },
    Object.values(given).map((a) => spec(a.shape, 'float64')),
  );
  const values = interpret(graph, Object.values(given)).map((a) => [...toNumbers(a)]);
  return { ...Object.fromEntries(keys.map((k, i) => [k, values[i]])), slope: values.at(-1)! } as Record<
    string,
    number[]
  >;
}

const ls = (x: number): number => -Math.log1p(Math.exp(-x));

describe('the DPO family', () => {
  it('takes the better response by score, wherever it stands', () => {
    const { sigmoid, accuracy, margin } = terms({});
    // log-ratios: 1, -1 and 1, -2; the second row prefers its second response
    expect(sigmoid[0]).toBeCloseTo(-ls(0.1 * 2), 12);
    expect(sigmoid[1]).toBeCloseTo(-ls(0.1 * -3), 12);
    expect([accuracy, margin]).toEqual([
      [1, 0],
      [2, -3],
    ]);
  });

  it('every member is finite, and all but those of one sign raise the better response', () => {
    for (const loss of dpo.config.parse({}) && [
      'sigmoid',
      'robust',
      'hinge',
      'ipo',
      'exo_pair',
      'nca_pair',
      'bco_pair',
      'sppo_hard',
      'aot',
      'aot_unpaired',
      'apo_zero',
      'discopop',
      'sigmoid_norm',
      'cpo',
      'slic',
      'simpo',
      'alphapo',
      'orpo',
      'kto',
      'apo_zero_unpaired',
      'bco',
    ]) {
      const { slope, ...found } = terms({ loss }, { delta: 0, batches: 0 });
      expect(Object.values(found).flat().every(Number.isFinite), loss).toBe(true);
      expect(slope[0], loss).toBeLessThan(0);
      expect(slope[3], loss).toBeLessThan(0);
      expect(slope[1], loss).toBeGreaterThan(0);
    }
    // APO-down lowers both, the worse one more
    const { slope } = terms({ loss: 'apo_down' });
    expect(slope[1]).toBeGreaterThan(0);
  });

  it('adds the cross-entropy per token of the better response to CPO and ORPO', () => {
    expect(terms({ loss: 'cpo' }).nll).toEqual([1, 3]);
    expect(terms({ loss: 'sigmoid' }).nll).toBeUndefined();
    expect(terms({ loss: 'sigmoid', nll: 0.5 }).nll).toEqual([1, 3]);
  });

  it('keeps the shift of BCO as a running mean over batches, this one included', () => {
    const first = terms({ loss: 'bco' }, { delta: 0, batches: 0 });
    const mean = (0.1 * (1 - 1 + 1 - 2)) / 4;
    expect(first.delta[0]).toBeCloseTo(mean, 12);
    const later = terms({ loss: 'bco' }, { delta: 0.5, batches: 3 });
    expect(later.delta[0]).toBeCloseTo((3 * 0.5 + mean) / 4, 12);
    const config = dpo.config.parse({ loss: 'bco' });
    const state = dpo.schedule!.next(
      { delta: 0.5, batches: 3 },
      { terms: { delta: 0.3 }, step: 3, steps: 9 },
      config,
    );
    expect(state).toEqual({ delta: 0.3, batches: 4 });
  });

  it('judges single responses by their mark, with the mismatched ones as reference point', () => {
    const { kto: got } = terms({ loss: 'kto', beta: 1, undesirable: 2 }, {}, true);
    // ρ = 1 (good) and 1 (score 0.2: bad); z0 = max(0, mean(1, -2)) = 0
    const { graph } = trace(() => {
      const z = ktoReferencePoint(constant(f64([1, -2])));
      return [
        kto(constant(f64([1])), true, z, { beta: 1 }),
        kto(constant(f64([1])), false, z, { beta: 1, weight: 2 }),
      ];
    }, []);
    const want = interpret(graph, []).map((a) => toNumbers(a)[0]);
    expect(got[0]).toBeCloseTo(want[0], 12);
    expect(got[1]).toBeCloseTo(want[1], 12);
    expect(() => terms({ loss: 'sigmoid' }, {}, true)).toThrow(/compares responses to one prompt.*kto/s);
  });
});
