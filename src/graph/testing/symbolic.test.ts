import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import { isDecantError } from '../../util/errors.ts';
import { createRng } from '../../util/rng.ts';
import { gradients } from '../autodiff.ts';
import { isFloat } from '../dtype.ts';
import { add } from '../ops/arithmetic.ts';
import { cos } from '../ops/elementwise.ts';
import { optimize } from '../passes/optimize.ts';
import type { Tensor } from '../tensor.ts';
import { asList, checkAgainstOrt, type OpSample, type OpSamples, traced } from './check-op.ts';
import { ELEMENTARY, LAYERS } from './families.ts';

/** The attributes of these samples are sizes in numbers, or they have no operand with a size. */
const UNTRIED = [
  'arange',
  'split', // into halves
  'broadcastTo',
  'fill',
  'philox',
  'splitKey',
  'foldIn',
  'randomBits',
  'uniform',
  'uniform (scaled)',
  'normal',
  'normal (scaled)',
  'bernoulli',
  'conv (empty batch)',
  'einsum ii->i',
];

/**
 * The sample with sizes as symbols: every size above 1 (equal sizes are one symbol, so that operands still fit), or
 * where that cannot be traced, the batch: the first axis of the first operand, or of all.
 */
function symbolic(s: OpSample): OpSample | undefined {
  const every = s.inputs.map((a) => a.shape.map((d) => (d > 1 && a.dtype !== 'uint32' ? `n${d}` : d)));
  const batch = s.inputs.map((a, i) => a.shape.map((d, axis) => (i === 0 && axis === 0 ? 'batch' : d)));
  const shared = s.inputs.map((a) => a.shape.map((d, axis) => (axis === 0 ? 'batch' : d)));
  for (const shapes of [every, batch, shared]) {
    if (shapes.flat().every((d) => typeof d === 'number')) continue;
    const sample = { ...s, shapes };
    try {
      interpret(
        traced(sample, (...t) => asList(s.apply(...t))),
        s.inputs,
      );
      return sample;
    } catch (e) {
      if (!isDecantError(e) || e.code !== 'shape') throw e;
    }
  }
  return undefined;
}

/** What the sample computes, and its gradients along a direction that differs from element to element. */
const withGradients =
  (s: OpSamples, sample: OpSample) =>
  (...t: Tensor[]): Tensor[] => {
    const all = asList(sample.apply(...t));
    if (!s.gradient) return all;
    const ys = all.filter((y) => isFloat(y.dtype));
    const xs = sample.wrt ? sample.wrt.map((i) => t[i]) : t.filter((x) => isFloat(x.dtype));
    return [
      ...all,
      ...gradients(
        ys,
        xs,
        ys.map((y) => add(cos(y), 0.2)),
      ),
    ];
  };

/** As engines run it. */
const runOptimized: typeof runOrt = (graph, inputs, options) => runOrt(optimize(graph), inputs, options);

describe('with symbolic sizes and optimized, onnxruntime agrees with the oracle, gradients included', () => {
  const all: OpSamples[] = [...Object.values(ELEMENTARY), ...Object.values(LAYERS)].flat();
  for (const s of all.filter((x) => !x.op.endsWith(', backward'))) {
    const drawn = Array.from({ length: 6 }, (_, seed) => {
      const sample = s.make(createRng(`${s.op}/symbolic/${seed}`));
      return symbolic({ ...sample, apply: withGradients(s, sample), tolerance: sample.tolerance ?? 2e-5 });
    }).filter((x) => x !== undefined);
    it(`${s.op}${drawn.length === 0 ? ' (not tried)' : ''}`, async () => {
      if (drawn.length === 0) expect(UNTRIED).toContain(s.op);
      else await checkAgainstOrt(drawn.slice(0, 4), runOptimized);
    });
  }
});
