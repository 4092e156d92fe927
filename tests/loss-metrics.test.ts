import { describe, expect, it } from 'vitest';
import { agreements, klToTeacher, klToTopK } from '../src/evaluate/agreement.ts';
import { brierScores, calibrationError, reliabilityTable } from '../src/evaluate/calibration.ts';
import { type NDArray, ndarray, toNumbers } from '../src/graph/index.ts';
import {
  agreement,
  brier,
  expectedCalibrationError,
  exposure,
  forwardKl,
  nll,
  sparseKl,
  temperedLogp,
  trustScore,
} from '../src/losses/index.ts';
import { distance, evaluate32, evaluate64, f64, i32, normals } from '../src/losses/testing/evaluate.ts';
import { decodeSignal, encodeSignal, type TopKSignal, topKFromLogits } from '../src/teachers/store/index.ts';
import { createRng } from '../src/util/rng.ts';

const rng = createRng('loss metrics');
const [n, c] = [60, 4];
const logits = normals(rng, [n, c], 2);
const teacher = normals(rng, [n, c], 2);
const labels = Array.from({ length: n }, () => rng.int(c));
const p = ndarray(evaluate64((x) => temperedLogp(x), [logits], []).value.map(Math.exp), [n, c]);

describe('graph metrics equal the host-side ones', () => {
  const confidence = Array.from({ length: n }, (_, i) =>
    Math.max(...toNumbers(p).subarray(i * c, (i + 1) * c)),
  );
  const correct = Array.from({ length: n }, (_, i) => {
    const row = [...toNumbers(p).subarray(i * c, (i + 1) * c)];
    return row.indexOf(Math.max(...row)) === labels[i] ? 1 : 0;
  });
  it.each(['width', 'mass'] as const)('expected calibration error, bins of equal %s', async (binning) => {
    for (const bins of [5, 7, 15]) {
      const want = calibrationError(reliabilityTable(confidence, correct, bins, binning));
      const fn = (x: Parameters<typeof expectedCalibrationError>[0], y: Parameters<typeof nll>[1]) =>
        expectedCalibrationError(x, y, { bins, binning });
      expect(evaluate64(fn, [p, i32(labels)], []).value[0]).toBeCloseTo(want, 10);
      expect((await evaluate32(fn, [p, i32(labels)], [])).value[0]).toBeCloseTo(want, 4);
    }
  });
  it('Brier, NLL and agreement', () => {
    expect(distance(evaluate64(brier, [p, i32(labels)]).value, brierScores(p, labels))).toBeLessThan(1e-12);
    const logp = ndarray(toNumbers(p).map(Math.log), [n, c]);
    const want = labels.map((y, i) => -Math.log(toNumbers(p)[i * c + y]));
    expect(distance(evaluate64(nll, [logp, i32(labels)]).value, want)).toBeLessThan(1e-12);
    const same = evaluate64(agreement, [logits, teacher], []).value;
    expect([...same]).toEqual([...agreements(logits, teacher)]);
  });
  it('KL to the teacher, dense and over the top k', () => {
    const dense = evaluate64(
      (s, t) => forwardKl(temperedLogp(s, 2), temperedLogp(t, 2)),
      [logits, teacher],
    ).value;
    expect(distance(dense, klToTeacher(logits, teacher, 2))).toBeLessThan(1e-10);
    const top = topKFromLogits(teacher, 2);
    const sparse = evaluate64(
      (s, i, v, tail) => sparseKl(s, { ids: i, logp: v, logTail: tail }),
      [logits, ...signalArrays(top)],
    ).value;
    expect(
      distance(sparse, klToTopK(logits, { ids: top.ids, logp: top.logp, logTail: top.logTail, k: 2 })),
    ).toBeLessThan(1e-6);
  });
  it('trust score and exposure', () => {
    const score = evaluate64(
      (x, c, r, l) => trustScore(x, c, r, l),
      [
        f64([
          [0, 0],
          [1, 1],
        ]),
        i32([0, 0]),
        f64([
          [0, 1],
          [3, 0],
          [1, 2],
        ]),
        i32([0, 1, 1]),
      ],
      [],
    ).value;
    expect(distance(score, [Math.min(3, Math.sqrt(5)) / 1, 1 / 1])).toBeLessThan(1e-9);
    const others = f64([
      [-3, -2, -7],
      [-3, -2, -7],
    ]);
    expect(
      distance(evaluate64(exposure, [f64([-1, -5]), others], []).value, [2, 2 - Math.log2(3)]),
    ).toBeLessThan(1e-12);
  });
});

const signalArrays = (s: TopKSignal): NDArray[] => {
  const k = s.ids.length / s.logTail.length;
  return [
    ndarray(Int32Array.from(s.ids), [s.logTail.length, k]),
    ndarray(Float64Array.from(s.logp), [s.logTail.length, k]),
    ndarray(Float64Array.from(s.logTail), [s.logTail.length]),
  ];
};

describe('losses on stored, compressed teacher signals', () => {
  it('stay near those on the exact top k, and below the dense value', () => {
    const [rows, vocab, k] = [8, 500, 64];
    const t = normals(rng, [rows, vocab], 2.5);
    const s = normals(rng, [rows, vocab], 2.5);
    const exact = topKFromLogits(t, k);
    const { form, payload } = encodeSignal(exact, { packed: true });
    const stored = decodeSignal(form, payload) as TopKSignal;
    const kl = (top: TopKSignal) =>
      evaluate64(
        (x, i, v, tail) => sparseKl(x, { ids: i, logp: v, logTail: tail }),
        [s, ...signalArrays(top)],
      );
    const [a, b] = [kl(exact), kl(stored)];
    expect(distance(b.value, a.value)).toBeLessThan(0.05);
    expect(distance(b.gradients[0], a.gradients[0])).toBeLessThan(0.02);
    const dense = evaluate64((x, y) => forwardKl(temperedLogp(x), temperedLogp(y)), [s, t]).value;
    a.value.forEach((v, i) => {
      expect(v).toBeLessThanOrEqual(dense[i] + 1e-6);
    });
  });
});
