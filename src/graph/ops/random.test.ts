import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import { array, type NDArray, ndarray, toNumbers } from '../ndarray.ts';
import { sym } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import { spec, trace } from '../trace.ts';
import { fill } from './basic.ts';
import { foldInHostKey, philox4x32, philoxOp, randomKey, splitHostKey } from './philox.ts';
import { bernoulli, dropout, foldIn, normal, randomBits, splitKey, uniform } from './random.ts';

const KEY = spec([2], 'uint32');
const draw = (fn: (key: Tensor) => Tensor, seed: number | string = 1): Float64Array =>
  toNumbers(interpret(trace(fn, [KEY]).graph, [randomKey(seed)])[0]);

/** Test vectors of Random123 (tests/kat_vectors): rounds, counter, key, output. */
const KNOWN = [
  '7 00000000 00000000 00000000 00000000 00000000 00000000 5f6fb709 0d893f64 4f121f81 4f730a48',
  '7 ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 5207ddc2 45165e59 4d8ee751 8c52f662',
  '7 243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 4dfccaba 190a87f0 c47362ba b6b5242a',
  '10 00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8',
  '10 ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd',
  '10 243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1',
];

describe('Philox4x32', () => {
  it('gives the published words', () => {
    for (const line of KNOWN) {
      const [rounds, ...hex] = line.split(' ');
      const [c0, c1, c2, c3, k0, k1, ...want] = hex.map((h) => Number.parseInt(h, 16));
      expect(philox4x32([c0, c1, c2, c3], [k0, k1], Number(rounds))).toEqual(want);
    }
  });

  it('runs in onnxruntime to the same words as on the host, for any key and counter', async () => {
    const key = array([0xa4093822, 0x299f31d0], 'uint32');
    const counter = array([0, 1, 0x243f6a88, 0xffffffff], 'uint32');
    for (const rounds of [7, 10]) {
      const { graph } = trace(
        (k: Tensor, c: Tensor) => apply(philoxOp, [k, c], { blocks: 4, rounds, domain: 0x03707344 }),
        [KEY, spec([4], 'uint32')],
      );
      const [out] = await runOrt(graph, [key, counter], { threads: 2, standardOnly: true });
      (counter.data as Uint32Array).forEach((c, i) => {
        const words = philox4x32([c, 0, 0, 0x03707344], [0xa4093822, 0x299f31d0], rounds);
        expect([0, 1, 2, 3].map((lane) => out.data[lane * 4 + i])).toEqual(words);
      });
    }
  });
});

describe('keys', () => {
  it('come from seeds, and differ', () => {
    const keys = [0, 1, 2 ** 32, 2 ** 40 + 1, 'a', 'b'].map((s) => (randomKey(s).data as Uint32Array).join());
    expect(new Set(keys).size).toBe(keys.length);
    expect(randomKey('a')).toEqual(randomKey('a'));
    expect(() => randomKey(-1)).toThrow(/a seed is an integer/);
  });

  it('split and fold alike on the host and in the graph', async () => {
    const key = randomKey(42);
    const { graph } = trace(
      (k: Tensor, step: Tensor) => [...splitKey(k, 3), foldIn(k, step), foldIn(k, 7)],
      [KEY, spec([], 'int32')],
    );
    const inputs = [key, array(1234567, 'int32')];
    const want = [...splitHostKey(key, 3), foldInHostKey(key, 1234567), foldInHostKey(key, 7)].map((k) => [
      ...(k.data as Uint32Array),
    ]);
    for (const out of [interpret(graph, inputs), await runOrt(graph, inputs)])
      expect(out.map((k) => [...(k.data as Uint32Array)])).toEqual(want);
    expect(new Set(want.map(String)).size).toBe(5);
  });
});

describe('distributions', () => {
  const n = 40_000;
  const moments = (x: Float64Array): [mean: number, variance: number] => {
    const mean = x.reduce((a, b) => a + b) / x.length;
    return [mean, x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length];
  };
  /** Largest distance between the empirical and a given distribution function (Kolmogorov and Smirnov). */
  const distance = (x: Float64Array, cdf: (v: number) => number): number =>
    x
      .slice()
      .sort()
      .reduce((d, v, i) => Math.max(d, Math.abs(cdf(v) - i / n), Math.abs(cdf(v) - (i + 1) / n)), 0);
  // a true sample exceeds this once in 10^6 times
  const LIMIT = 2.69 / Math.sqrt(n);

  it('uniform is uniform, independent of its neighbours', () => {
    const x = draw((k) => uniform(k, [n]));
    expect(x.every((v) => v >= 0 && v < 1)).toBe(true);
    expect(distance(x, (v) => v)).toBeLessThan(LIMIT);
    const [mean, variance] = moments(x);
    for (const lag of [1, 2, n / 4, n / 2]) {
      let c = 0;
      for (let i = 0; i + lag < n; i++) c += (x[i] - mean) * (x[i + lag] - mean);
      expect(Math.abs(c / (n - lag) / variance)).toBeLessThan(5 / Math.sqrt(n - lag));
    }
    const scaled = draw((k) => uniform(k, [1000], { low: -3, high: 5 }));
    expect(Math.min(...scaled)).toBeLessThan(-2.9);
    expect(Math.max(...scaled)).toBeGreaterThan(4.9);
  });

  it('every bit of randomBits is fair', () => {
    const x = draw((k) => randomBits(k, [n]));
    for (let bit = 0; bit < 32; bit++) {
      const ones = x.reduce((c, w) => c + ((w >>> bit) & 1), 0);
      expect(Math.abs(ones - n / 2)).toBeLessThan(5 * Math.sqrt(n / 4));
    }
  });

  it('normal is normal, in both halves of each pair', () => {
    const x = draw((k) => normal(k, [n]));
    // Φ by summing its density
    const grid = 4000;
    const table = new Float64Array(2 * grid * 6 + 1);
    for (let i = 1; i < table.length; i++) {
      const v = (i - 0.5) / grid - 6;
      table[i] = table[i - 1] + Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI) / grid;
    }
    expect(distance(x, (v) => table[Math.round((v + 6) * grid)])).toBeLessThan(LIMIT);
    const [mean, variance] = moments(x);
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    let cross = 0;
    for (let i = 0; i < n / 2; i++) cross += x[i] * x[n / 2 + i];
    expect(Math.abs(cross / (n / 2))).toBeLessThan(5 / Math.sqrt(n / 2));
    const [m, v] = moments(draw((k) => normal(k, [n], { mean: 10, std: 3 })));
    expect(Math.abs(m - 10)).toBeLessThan(0.1);
    expect(Math.abs(v - 9)).toBeLessThan(0.4);
  });

  it('bernoulli and dropout keep their probability, and dropout the expectation', () => {
    const ones = draw((k) => bernoulli(k, 0.3, [n])).reduce((a, b) => a + b);
    expect(Math.abs(ones / n - 0.3)).toBeLessThan(5 * Math.sqrt(0.21 / n));
    const x = draw((k) => dropout(uniform(k, [n], { low: 1, high: 1.0000001 }), 0.25, k));
    const kept = x.filter((v) => v !== 0);
    expect(Math.abs(kept.length / n - 0.75)).toBeLessThan(5 * Math.sqrt(0.1875 / n));
    expect(kept.every((v) => Math.abs(v - 4 / 3) < 1e-4)).toBe(true);
    // neighbours, and the four elements that one word decides
    for (const lag of [1, n / 4, n / 2]) {
      let both = 0;
      for (let i = 0; i + lag < n; i++) both += x[i] !== 0 && x[i + lag] !== 0 ? 1 : 0;
      expect(Math.abs(both / (n - lag) - 0.5625)).toBeLessThan(5 * Math.sqrt(0.25 / (n - lag)));
    }
  });

  it('the four elements of a dropout word are nearly uncorrelated, at any rate', () => {
    const m = 65536;
    for (const rate of [0.01, 0.1, 0.37, 0.5, 0.9]) {
      const x = draw((k) => dropout(fill([4 * m], 1), rate, k), `rate ${rate}`).map(Math.sign);
      const kept = x.reduce((a, b) => a + b) / (4 * m);
      expect(Math.abs(kept - (1 - rate))).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / (4 * m)));
      for (const [i, j] of [
        [0, 1],
        [0, 2],
        [0, 3],
        [1, 2],
        [1, 3],
        [2, 3],
      ]) {
        let c = 0;
        for (let w = 0; w < m; w++) c += (x[i * m + w] - kept) * (x[j * m + w] - kept);
        expect(Math.abs(c / m / (kept * (1 - kept)))).toBeLessThan(0.011 + 5 / Math.sqrt(m));
      }
    }
  });

  it('dropout passes everything at rate 0 and refuses rates outside [0, 1)', () => {
    const { graph } = trace((k: Tensor, x: Tensor) => dropout(x, 0, k), [KEY, spec([3])]);
    expect(graph.outputs[0]).toBe(graph.inputs[1]);
    expect(() => trace((k: Tensor, x: Tensor) => dropout(x, 1, k), [KEY, spec([3])])).toThrow(/\[0, 1\)/);
  });

  it('a symbolic shape draws what the same sizes draw, on both engines', async () => {
    const x = ndarray(new Float32Array(3 * 7).fill(1), [3, 7]);
    const make = (k: Tensor, t: Tensor): Tensor[] => [
      uniform(k, t.shape),
      normal(k, t.shape),
      dropout(t, 0.4, k),
    ];
    const inputs: NDArray[] = [randomKey('symbols'), x];
    const fixed = interpret(trace(make, [KEY, spec([3, 7])]).graph, inputs);
    const symbolic = trace(make, [KEY, spec([sym('batch'), sym('seq')])]).graph;
    expect(interpret(symbolic, inputs)).toEqual(fixed);
    const run = await runOrt(symbolic, inputs, { threads: 2 });
    expect(toNumbers(run[0])).toEqual(toNumbers(fixed[0]));
    toNumbers(run[1]).forEach((v, i) => {
      expect(Math.abs(v - toNumbers(fixed[1])[i])).toBeLessThan(1e-6);
    });
    expect(toNumbers(run[2]).map(Math.sign)).toEqual(toNumbers(fixed[2]).map(Math.sign));
  });
});
