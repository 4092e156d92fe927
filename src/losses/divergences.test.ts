import { describe, expect, it } from 'vitest';
import { mul as mulBy, type NDArray, ndarray, sum, type Tensor, toNumbers } from '../graph/index.ts';
import { createRng, type Rng } from '../util/rng.ts';
import { adaptiveKl } from './adaptive.ts';
import {
  alphaDivergence,
  crossEntropy,
  entropy,
  forwardKl,
  generalizedJsd,
  jsDistance,
  type RowOptions,
  reverseKl,
  skewedForwardKl,
  skewedReverseKl,
  symmetricKl,
  temperedLogp,
  totalVariation,
} from './divergences.ts';
import {
  allFinite,
  bools,
  distance,
  evaluate32,
  evaluate64,
  f64,
  normals,
  takeColumns,
  takeRows,
} from './testing/evaluate.ts';

type Divergence = (q: Tensor, p: Tensor, options?: RowOptions) => Tensor;
interface Named {
  name: string;
  fn: Divergence;
  /** Finite whatever the supports. */
  bounded: boolean;
}

const DIVERGENCES: Named[] = [
  { name: 'forward KL', fn: forwardKl, bounded: false },
  { name: 'reverse KL', fn: reverseKl, bounded: false },
  { name: 'symmetric KL', fn: (q, p, o) => symmetricKl(q, p, { lambda: 0.3, ...o }), bounded: false },
  { name: 'JSD 0.5', fn: generalizedJsd, bounded: true },
  { name: 'JSD 0.1', fn: (q, p, o) => generalizedJsd(q, p, { beta: 0.1, ...o }), bounded: true },
  { name: 'JS distance 0.9', fn: jsDistance, bounded: true },
  { name: 'skewed forward KL', fn: skewedForwardKl, bounded: true },
  { name: 'skewed reverse KL', fn: skewedReverseKl, bounded: true },
  { name: 'total variation', fn: totalVariation, bounded: true },
  { name: 'α-divergence 0.3', fn: (q, p, o) => alphaDivergence(q, p, { alpha: 0.3, ...o }), bounded: true },
  { name: 'α-divergence 0.7', fn: (q, p, o) => alphaDivergence(q, p, { alpha: 0.7, ...o }), bounded: true },
  { name: 'α-divergence 2', fn: (q, p, o) => alphaDivergence(q, p, { alpha: 2, ...o }), bounded: false },
  { name: 'adaptive KL', fn: (q, p, o) => adaptiveKl(q, p, o).loss, bounded: false },
];

/** Pairs of logit matrices: plain, extreme, with classes of no mass on both sides, one class only. */
function regimes(rng: Rng): { name: string; s: NDArray; t: NDArray; extreme?: boolean }[] {
  const shape = (): [number, number] => [1 + rng.int(4), 2 + rng.int(9)];
  const plain = shape();
  const wide = shape();
  const holes = shape();
  const extreme = (): NDArray => {
    const a = normals(rng, wide);
    return ndarray(
      toNumbers(a).map((v) => (v > 0.6 ? 1e4 : v < -0.6 ? -1e4 : v * 50)),
      wide,
    );
  };
  const closed = Array.from(
    { length: holes[0] * holes[1] },
    (_, i) => i % holes[1] !== 0 && rng.int(3) === 0,
  );
  const withHoles = (): NDArray =>
    ndarray(
      toNumbers(normals(rng, holes, 2)).map((v, i) => (closed[i] ? Number.NEGATIVE_INFINITY : v)),
      holes,
    );
  return [
    { name: 'plain', s: normals(rng, plain, 3), t: normals(rng, plain, 3) },
    { name: 'extreme', s: extreme(), t: extreme(), extreme: true },
    { name: 'shared -inf', s: withHoles(), t: withHoles() },
    { name: 'one class', s: normals(rng, [3, 1], 5), t: normals(rng, [3, 1], 5) },
  ];
}

const temperatures = [1, 0.5, 3];
const onLogits =
  (fn: Divergence, temperature: number, options: RowOptions = {}) =>
  (s: Tensor, t: Tensor): Tensor =>
    fn(temperedLogp(s, temperature), temperedLogp(t, temperature), options);

describe.each(DIVERGENCES)('$name', ({ name, fn, bounded }) => {
  const rng = createRng(`divergence ${name}`);
  it('is never negative, finite with its gradient, 0 at equality, the same in float32', async () => {
    for (let round = 0; round < 2; round++) {
      for (const { s, t, name: regime, extreme } of regimes(rng)) {
        const temperature = rng.pick(temperatures);
        const loss = onLogits(fn, temperature);
        const got = evaluate64(loss, [s, t]);
        // χ² of distributions 2·10⁴ nats apart is e^(2·10⁴): beyond any float
        const beyond = name === 'α-divergence 2' && extreme;
        if (!beyond) {
          expect(allFinite(got), `${regime} at T ${temperature}`).toBe(true);
          expect(Math.min(...got.value), regime).toBeGreaterThanOrEqual(-1e-12);
          if (round === 0) {
            const single = await evaluate32(loss, [s, t]);
            expect(distance(single.value, got.value), `${regime}, float32 value`).toBeLessThan(1e-4);
            expect(
              distance(single.gradients[0], got.gradients[0]),
              `${regime}, float32 gradient`,
            ).toBeLessThan(1e-4);
          }
        }
        const same = evaluate64(loss, [s, s]);
        expect(Math.max(...same.value.map(Math.abs)), `${regime}, equality`).toBeLessThan(1e-12);
        expect(Math.max(...same.gradients[0].map(Math.abs)), `${regime}, equality`).toBeLessThan(1e-9);
      }
    }
  }, 30_000);

  it('masked equals filtered; nothing of a masked row leaks', () => {
    const [s, t] = [normals(rng, [5, 6], 2), normals(rng, [5, 6], 2)];
    const keep = [0, 2, 3];
    // rows 1 and 4 hold what padding may hold
    (s.data as Float64Array).fill(Number.NaN, 6, 12);
    (t.data as Float64Array).fill(Number.NEGATIVE_INFINITY, 24, 30);
    const mask = bools([true, false, true, true, false]);
    const masked = evaluate64((q, p, m) => fn(q, p, { mask: m }), [s, t, mask]);
    expect(allFinite(masked)).toBe(true);
    const filtered = evaluate64((q, p) => fn(q, p), [takeRows(s, keep), takeRows(t, keep)]);
    expect(
      distance(
        keep.map((i) => masked.value[i]),
        filtered.value,
      ),
    ).toBeLessThan(1e-12);
    expect([masked.value[1], masked.value[4]]).toEqual([0, 0]);
    expect(
      [...masked.gradients[0].subarray(6, 12), ...masked.gradients[0].subarray(24)].every((v) => v === 0),
    ).toBe(true);
  });

  it('does not depend on the order of classes or rows', () => {
    const [s, t] = [normals(rng, [4, 7], 2), normals(rng, [4, 7], 2)];
    const classes = rng.shuffle([0, 1, 2, 3, 4, 5, 6]);
    const rows = rng.shuffle([0, 1, 2, 3]);
    const loss = onLogits(fn, 1);
    const plain = evaluate64(loss, [s, t]).value;
    expect(
      distance(evaluate64(loss, [takeColumns(s, classes), takeColumns(t, classes)]).value, plain),
    ).toBeLessThan(1e-12);
    expect(
      distance(
        evaluate64(loss, [takeRows(s, rows), takeRows(t, rows)]).value,
        rows.map((i) => plain[i]),
      ),
    ).toBeLessThan(1e-12);
  });

  if (bounded)
    it('is finite for disjoint supports', () => {
      const s = f64([
        [0, 0, Number.NEGATIVE_INFINITY],
        [1e4, -1e4, 0],
      ]);
      const t = f64([
        [Number.NEGATIVE_INFINITY, 0, 0],
        [-1e4, 1e4, 0],
      ]);
      expect(allFinite(evaluate64(onLogits(fn, 1), [s, t]))).toBe(true);
    });
});

describe('divergences at their limits', () => {
  const rng = createRng('limits');
  const [s, t] = [normals(rng, [4, 6], 2), normals(rng, [4, 6], 2)];
  const of = (fn: Divergence) => evaluate64(onLogits(fn, 1), [s, t]);
  const expectSame = (a: Divergence, b: Divergence, tolerance: number): void => {
    const [x, y] = [of(a), of(b)];
    expect(distance(x.value, y.value)).toBeLessThan(tolerance);
    expect(distance(x.gradients[0], y.gradients[0])).toBeLessThan(tolerance);
  };
  const times =
    (fn: Divergence, factor: number): Divergence =>
    (q, p) =>
      mulBy(fn(q, p), factor);

  it('JSD / β tends to KL(p‖q) for β → 0, JSD / (1 - β) to KL(q‖p) for β → 1; the ends are those', () => {
    const e = 1e-7;
    expectSame(
      times((q, p) => generalizedJsd(q, p, { beta: e }), 1 / e),
      forwardKl,
      1e-4,
    );
    expectSame(
      times((q, p) => generalizedJsd(q, p, { beta: 1 - e }), 1 / e),
      reverseKl,
      1e-4,
    );
    expectSame((q, p) => generalizedJsd(q, p, { beta: 0 }), forwardKl, 1e-14);
    expectSame((q, p) => generalizedJsd(q, p, { beta: 1 }), reverseKl, 1e-14);
  });
  it('JS distance with λ is JSD with β = 1 - λ, symmetric at ½', () => {
    expectSame(
      (q, p) => jsDistance(q, p, { lambda: 0.8 }),
      (q, p) => generalizedJsd(q, p, { beta: 0.2 }),
      1e-12,
    );
    // unlike generalizedJsd, it is its formula at the ends too: 0
    for (const lambda of [0, 1])
      expectSame(
        (q, p) => jsDistance(q, p, { lambda }),
        (q) => sum(mulBy(q, 0), -1),
        1e-14,
      );
    const swapped = evaluate64(onLogits(generalizedJsd, 1), [t, s]).value;
    expect(distance(swapped, of(generalizedJsd).value)).toBeLessThan(1e-12);
  });
  it('skewed KLs tend to the KLs for α → 0 and stay below -log α', () => {
    expectSame((q, p) => skewedForwardKl(q, p, { alpha: 1e-8 }), forwardKl, 1e-4);
    expectSame((q, p) => skewedReverseKl(q, p, { alpha: 1e-8 }), reverseKl, 1e-4);
    expectSame((q, p) => skewedForwardKl(q, p, { alpha: 0 }), forwardKl, 1e-14);
    for (const fn of [skewedForwardKl, skewedReverseKl])
      expect(Math.max(...of((q, p) => fn(q, p, { alpha: 0.2 })).value)).toBeLessThan(-Math.log(0.2));
  });
  it('α-divergences: α → 1 and α → 0 are the KLs, ½ is 4 (1 - Σ √pq), 2 is half of χ²', () => {
    expectSame((q, p) => alphaDivergence(q, p, { alpha: 1 - 1e-7 }), forwardKl, 1e-5);
    expectSame((q, p) => alphaDivergence(q, p, { alpha: 1e-7 }), reverseKl, 1e-5);
    expectSame((q, p) => alphaDivergence(q, p, { alpha: 1 }), forwardKl, 1e-14);
    const p = softmaxRows(t);
    const q = softmaxRows(s);
    const hellinger = p.map((row, i) => 4 * (1 - row.reduce((a, x, j) => a + Math.sqrt(x * q[i][j]), 0)));
    expect(distance(of((a, b) => alphaDivergence(a, b, { alpha: 0.5 })).value, hellinger)).toBeLessThan(
      1e-10,
    );
    const chi2 = p.map((row, i) => 0.5 * row.reduce((a, x, j) => a + (x - q[i][j]) ** 2 / q[i][j], 0));
    expect(distance(of((a, b) => alphaDivergence(a, b, { alpha: 2 })).value, chi2)).toBeLessThan(1e-10);
  });
  it('symmetric KL is the KLs at λ 0 and 1; cross-entropy is forward KL plus entropy, with the same gradient', () => {
    expectSame((q, p) => symmetricKl(q, p, { lambda: 0 }), forwardKl, 1e-14);
    expectSame((q, p) => symmetricKl(q, p, { lambda: 1 }), reverseKl, 1e-14);
    const [ce, kl] = [of(crossEntropy), of(forwardKl)];
    const h = evaluate64((x) => entropy(temperedLogp(x)), [t]).value;
    expect(
      distance(
        ce.value,
        kl.value.map((v, i) => v + h[i]),
      ),
    ).toBeLessThan(1e-12);
    expect(distance(ce.gradients[0], kl.gradients[0])).toBeLessThan(1e-12);
  });
  it('adaptive KL is the forward KL when the head is everything, else between the KLs by the shares of the gap', () => {
    expectSame((q, p) => adaptiveKl(q, p, { mu: 2 }).loss, forwardKl, 1e-14);
    const [forward, reverse] = [of(forwardKl).value, of(reverseKl).value];
    const head = of((q, p) => adaptiveKl(q, p).headWeight).value;
    const tail = of((q, p) => adaptiveKl(q, p).tailWeight).value;
    of((q, p) => adaptiveKl(q, p).loss).value.forEach((v, i) => {
      expect(head[i] + tail[i]).toBeCloseTo(1, 12);
      expect(v).toBeCloseTo(head[i] * forward[i] + tail[i] * reverse[i], 12);
    });
  });
  it('total variation obeys Pinsker: 2 TV² ≤ KL', () => {
    const tv = of(totalVariation).value;
    of(forwardKl).value.forEach((kl, i) => {
      expect(2 * tv[i] ** 2).toBeLessThanOrEqual(kl + 1e-12);
    });
  });
});

describe('where the mathematics is not finite', () => {
  const q = f64([[0, Number.NEGATIVE_INFINITY]]);
  const p = f64([[0, 0]]);
  it.each([
    ['forward KL, q = 0 < p', forwardKl, q, p],
    ['reverse KL, p = 0 < q', reverseKl, p, q],
    ['cross-entropy, q = 0 < p', crossEntropy, q, p],
    ['α-divergence 2, q = 0 < p', (a: Tensor, b: Tensor) => alphaDivergence(a, b, { alpha: 2 }), q, p],
    ['α-divergence -1, p = 0 < q', (a: Tensor, b: Tensor) => alphaDivergence(a, b, { alpha: -1 }), p, q],
  ] as [string, Divergence, NDArray, NDArray][])('%s is +∞ on both engines', async (_, fn, s, t) => {
    expect([...evaluate64(onLogits(fn, 1), [s, t], []).value]).toEqual([Number.POSITIVE_INFINITY]);
    expect([...(await evaluate32(onLogits(fn, 1), [s, t], [])).value]).toEqual([Number.POSITIVE_INFINITY]);
  });
  it('a parameter outside its range is refused', () => {
    expect(() => evaluate64((a, b) => generalizedJsd(a, b, { beta: 1.5 }), [q, p])).toThrow(
      /allowed: 0 to 1/,
    );
  });
  it('the teacher gets no gradient', () => {
    for (const { fn } of DIVERGENCES)
      expect(evaluate64(onLogits(fn, 1), [p, p], [1]).gradients[0].every((v) => v === 0)).toBe(true);
  });
});

function softmaxRows(a: NDArray): number[][] {
  const [n, c] = a.shape;
  const x = toNumbers(a);
  return Array.from({ length: n }, (_, i) => {
    const row = [...x.subarray(i * c, (i + 1) * c)].map(Math.exp);
    const total = row.reduce((u, v) => u + v, 0);
    return row.map((v) => v / total);
  });
}
