import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { array, ndarray, toNumbers } from '../../graph/ndarray.ts';
import { createRng } from '../../util/rng.ts';
import { bitReader, bitsFor, bitWriter } from './bits.ts';
import { decodeSignal, encodeSignal } from './encode.ts';
import type { Encoding, LogitsSignal, Signal, TopKSignal } from './signal.ts';
import { emptyTopK, tailOf, topKFromLogits } from './top-k.ts';

const roundTrip = <T extends Signal>(signal: T, encoding?: Encoding): T => {
  const { form, payload } = encodeSignal(signal, encoding);
  // a payload inside a larger buffer at an odd address, as the reader gives it
  const odd = Buffer.alloc(payload.length + 3);
  odd.set(payload, 3);
  return decodeSignal(form, odd.subarray(3)) as T;
};

/** Logits as language models have them: a few likely ids over a long tail. */
function modelLogits(rows: number, vocab: number, seed: string): Float32Array {
  const rng = createRng(seed);
  const out = new Float32Array(rows * vocab);
  for (let r = 0; r < rows; r++) {
    const sharp = 1 + 2 * rng.uniform();
    for (let c = 0; c < vocab; c++)
      out[r * vocab + c] = 2 * rng.normal() - sharp * Math.log(1 + rng.int(vocab));
  }
  return out;
}

describe('bits', () => {
  it('reads what it wrote, for all widths', () => {
    const item = fc
      .integer({ min: 1, max: 32 })
      .chain((bits) => fc.tuple(fc.constant(bits), fc.nat({ max: 2 ** bits - 1 })));
    fc.assert(
      fc.property(fc.array(item, { maxLength: 40 }), (items) => {
        const bytes = new Uint8Array(2 + Math.ceil(items.reduce((n, [b]) => n + b, 0) / 8));
        const writer = bitWriter(bytes, 1);
        for (const [bits, value] of items) writer.write(value, bits);
        const end = writer.finish();
        const reader = bitReader(bytes, 1);
        return items.every(([bits, value]) => reader.read(bits) === value) && reader.finish() === end;
      }),
    );
    expect([1, 2, 3, 256, 257, 32000, 151936].map(bitsFor)).toEqual([1, 1, 2, 8, 9, 15, 18]);
  });
});

describe('forms', () => {
  const vocab = 1000;
  const logits = ndarray(modelLogits(6, vocab, 'forms'), [6, vocab]);
  const dense: LogitsSignal = { form: 'logits', logits };

  it('keep float32 logits, text, scores and hidden arrays exactly', () => {
    const special = array([[0, -0, 1e-40, Number.NEGATIVE_INFINITY, 3.4e38]]);
    expect(roundTrip({ form: 'logits', logits: special } as Signal)).toEqual({
      form: 'logits',
      logits: special,
    });
    expect(roundTrip(dense)).toEqual(dense);
    const text: Signal = { form: 'text', text: '\ufeffπ 𝄞 \u0000 end', meta: { usage: [1, null], raw: 'ü' } };
    expect(roundTrip(text)).toEqual(text);
    expect(roundTrip({ form: 'text', text: '' })).toEqual({ form: 'text', text: '' });
    const cut: Signal = { form: 'text', text: 'half \ud834', meta: [1] };
    expect(roundTrip(cut)).toEqual(cut);
    const score: Signal = { form: 'score', values: Float64Array.from([Math.PI, -1e300, Number.NaN]) };
    expect(roundTrip(score)).toEqual(score);
    const hidden: Signal = {
      form: 'hidden',
      arrays: {
        'layer.3': array([
          [1, 2],
          [3, 4],
        ]),
        größe: array([0.5, -2], 'float16'),
        none: array([], 'float32', [0, 4]),
      },
    };
    expect(roundTrip(hidden)).toEqual(hidden);
    const half = roundTrip(hidden, { precision: 'float16' });
    expect(half.form === 'hidden' && half.arrays['layer.3']).toEqual(
      array(
        [
          [1, 2],
          [3, 4],
        ],
        'float16',
      ),
    );
  });

  it('keep float16 logits within 2^-11 of the distance to the maximum', () => {
    const back = toNumbers(roundTrip(dense, { precision: 'float16' }).logits);
    const values = toNumbers(logits);
    for (let r = 0; r < 6; r++) {
      const row = values.slice(r * vocab, (r + 1) * vocab);
      const max = Math.max(...row);
      row.forEach((v, c) => {
        expect(Math.abs(back[r * vocab + c] - v)).toBeLessThanOrEqual((max - v) / 2048 + 1e-5);
      });
    }
    const masked = roundTrip(
      { form: 'logits', logits: array([[1e4, Number.NEGATIVE_INFINITY]]) } as LogitsSignal,
      {
        precision: 'float16',
      },
    );
    expect([...toNumbers(masked.logits)]).toEqual([1e4, Number.NEGATIVE_INFINITY]);
  });

  it('find the same top-k as a full sort, with a tail that completes the mass', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -50, max: 50, noNaN: true })), {
          minLength: 1,
          maxLength: 30,
        }),
        fc.integer({ min: 1, max: 12 }),
        (row, k) => {
          const x = Float64Array.from(row);
          const top = topKFromLogits(ndarray(x, [1, row.length]), k);
          const order = row
            .map((_, i) => i)
            .sort((a, b) => x[b] - x[a] || a - b)
            .slice(0, k);
          expect([...top.ids]).toEqual(order);
          const mass = [...top.logp].reduce((s, v) => s + Math.exp(v), Math.exp(top.logTail[0]));
          expect(mass).toBeCloseTo(1, 5);
          if (row.length > k) expect(Math.exp(tailOf(top.logp))).toBeCloseTo(Math.exp(top.logTail[0]), 5);
        },
      ),
    );
  });

  it('keep plain top-k exactly in float32 and closely in float16', () => {
    const top = topKFromLogits(logits, 20);
    expect(roundTrip(top)).toEqual(top);
    const back = roundTrip(top, { precision: 'float16' });
    expect(back.ids).toEqual(top.ids);
    top.logp.forEach((v, i) => {
      expect(Math.abs(back.logp[i] - v)).toBeLessThanOrEqual(Math.abs(v) / 2048);
    });
    expect(encodeSignal(top).payload.length).toBe(12 + 6 * (4 + 80 + 25)); // 20 ids of 10 bits: 25 bytes
  });

  it('keep rows with fewer known ids, fewer than k classes and -Infinity logits', () => {
    const few = emptyTopK(2, 5, 300);
    few.ids.set([7, 299, 0], 0);
    few.logp.set([-0.5, -1.5, -2.5], 0);
    few.logTail.set([tailOf([-0.5, -1.5, -2.5]), 0]);
    expect(roundTrip(few)).toEqual(few);
    const packed = roundTrip(few, { packed: { exact: 1, degree: 3, bits: 8 } });
    expect(packed.ids).toEqual(few.ids);
    packed.logp.slice(0, 3).forEach((v, i) => {
      expect(v).toBeCloseTo(few.logp[i], 2);
    });
    expect(packed.logTail[1]).toBe(0);
    const masked = topKFromLogits(array([[0, Number.NEGATIVE_INFINITY, 0]]), 3);
    expect([...masked.ids]).toEqual([0, 2, -1]);
    expect(roundTrip(masked)).toEqual(masked);
    expect([...roundTrip(masked, { packed: true }).ids]).toEqual([0, 2, -1]);
  });

  it('packed: a proper distribution, in order, close to the truth, and smaller', () => {
    for (const [options, worst, kl] of [
      [{ exact: 4, degree: 3, bits: 4 }, 0.06, 5e-5],
      [{ exact: 4, degree: 3, bits: 8 }, 0.008, 2e-6],
      [{ exact: 8, degree: 5, bits: 10 }, 0.008, 2e-6],
    ] as const) {
      const top = topKFromLogits(ndarray(modelLogits(40, vocab, 'packed'), [40, vocab]), 50);
      const back = roundTrip(top, { packed: options });
      expect(back.ids).toEqual(top.ids);
      const size = encodeSignal(top, { packed: options }).payload.length;
      expect(size).toBeLessThan(encodeSignal(top, { precision: 'float16' }).payload.length);
      for (let r = 0; r < 40; r++) {
        let mass = Math.exp(back.logTail[r]);
        let divergence = Math.exp(top.logTail[r]) * (top.logTail[r] - back.logTail[r]);
        for (let i = r * 50; i < (r + 1) * 50; i++) {
          mass += Math.exp(back.logp[i]);
          divergence += Math.exp(top.logp[i]) * (top.logp[i] - back.logp[i]);
          expect(Math.abs(back.logp[i] - top.logp[i])).toBeLessThan(worst);
          if (i > r * 50) expect(back.logp[i]).toBeLessThanOrEqual(back.logp[i - 1]);
        }
        expect(mass).toBeCloseTo(1, 5);
        expect(divergence).toBeLessThan(kl);
      }
    }
  });

  it('refuse what they could not give back', () => {
    const bad: TopKSignal = { ...topKFromLogits(logits, 3), vocab: 5 };
    expect(() => encodeSignal(bad)).toThrow(/outside the vocabulary.*0 to 4/);
    const top = topKFromLogits(logits, 8);
    top.logp.reverse();
    expect(() => encodeSignal(top, { packed: true })).toThrow(/largest first/);
    expect(() => encodeSignal(topKFromLogits(logits, 8), { packed: { bits: 40 } })).toThrow(/bits 2 to 12/);
    expect(() => decodeSignal(99, new Uint8Array(4))).toThrow(/form that this version cannot read/);
  });
});
