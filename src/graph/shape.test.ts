import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import {
  bindDim,
  broadcastShapes,
  type Dim,
  dimAdd,
  dimDivide,
  dimEquals,
  dimFloorDiv,
  dimKey,
  dimMul,
  dimProduct,
  dimSub,
  evalDim,
  isSymbolic,
  normalizeAxes,
  normalizeAxis,
  shapeEquals,
  showShape,
  sym,
  symbolName,
} from './shape.ts';

const [batch, seq] = [sym('batch'), sym('seq')];

describe('symbolic dimensions', () => {
  it('are equal when their polynomials are', () => {
    expect(dimEquals(dimAdd(batch, seq), dimAdd(seq, batch))).toBe(true);
    expect(dimEquals(dimMul(dimAdd(batch, 1), 2), dimAdd(dimMul(batch, 2), 2))).toBe(true);
    expect(dimEquals(dimMul(batch, seq), dimMul(seq, batch))).toBe(true);
    expect(dimEquals(batch, seq)).toBe(false);
    expect(dimEquals(batch, 3)).toBe(false);
  });

  it('become numbers when nothing symbolic is left', () => {
    expect(dimSub(batch, batch)).toBe(0);
    expect(dimSub(dimAdd(batch, 5), batch)).toBe(5);
    expect(dimMul(batch, 0)).toBe(0);
    expect(dimDivide(dimMul(batch, seq), dimMul(seq, batch))).toBe(1);
  });

  it('divide exactly or not at all', () => {
    expect(dimKey(dimDivide(dimMul(batch, 6), 3)!)).toBe('2*batch');
    expect(dimKey(dimDivide(dimMul(batch, seq), batch)!)).toBe('seq');
    expect(dimDivide(batch, 2)).toBeUndefined();
    expect(dimDivide(dimAdd(batch, 1), batch)).toBeUndefined();
    expect(dimDivide(7, 2)).toBeUndefined();
  });

  it('show names, and tell bare symbols', () => {
    expect(showShape([batch, 3, dimAdd(batch, seq)])).toBe('[batch, 3, batch + seq]');
    expect(symbolName(batch)).toBe('batch');
    expect(symbolName(dimMul(batch, 2))).toBeUndefined();
    expect(symbolName(4)).toBeUndefined();
    expect(isSymbolic(batch)).toBe(true);
  });

  it('refuse names that are no identifiers, and sizes that are not bound', () => {
    expect(() => sym('a b')).toThrow(/identifier/);
    expect(() => evalDim(batch, {})).toThrow(/'batch' has no size/);
  });

  it('evaluate like the arithmetic they stand for, for random expressions', () => {
    const rng = createRng('dims');
    for (let trial = 0; trial < 300; trial++) {
      const sizes = { batch: 1 + rng.int(9), seq: 1 + rng.int(9) };
      const pool: [Dim, number][] = [
        [batch, sizes.batch],
        [seq, sizes.seq],
        [rng.int(5), 0],
      ];
      pool[2][1] = pool[2][0] as number;
      for (let i = 0; i < 6; i++) {
        const [a, x] = rng.pick(pool);
        const [b, y] = rng.pick(pool);
        const k = 1 + rng.int(4);
        pool.push(
          rng.pick<[Dim, number]>([
            [dimAdd(a, b), x + y],
            [dimSub(a, b), x - y],
            [dimMul(a, b), x * y],
            [dimFloorDiv(a, k), Math.floor(x / k)],
          ]),
        );
      }
      // as numbers, so that 0 and -0 are one
      for (const [d, value] of pool) {
        const got = [
          evalDim(d, sizes),
          bindDim(d, sizes),
          evalDim(bindDim(d, { batch: sizes.batch }), sizes),
        ];
        if (got.some((v) => v !== value)) expect.fail(`${dimKey(d)}: got ${got}, want ${value}`);
      }
    }
  });
});

describe('shapes', () => {
  it('broadcast as in NumPy, symbols included', () => {
    expect(broadcastShapes([2, 1], [3])).toEqual([2, 3]);
    expect(broadcastShapes([], [2, 0], [1, 1])).toEqual([2, 0]);
    expect(shapeEquals(broadcastShapes([batch, 1], [1, seq]), [batch, seq])).toBe(true);
    expect(() => broadcastShapes([2], [3])).toThrow(/do not broadcast/);
    expect(() => broadcastShapes([batch], [3])).toThrow(/batch against 3/);
  });

  it('multiply to an element count', () => {
    expect(dimProduct([])).toBe(1);
    expect(dimProduct([2, 0, 5])).toBe(0);
    expect(dimKey(dimProduct([batch, 2, seq, 3]))).toBe('6*batch*seq');
  });

  it('take axes from either end', () => {
    expect(normalizeAxis(-1, 3)).toBe(2);
    expect(normalizeAxes([2, -3, 0], 3)).toEqual([0, 2]);
    expect(normalizeAxes(undefined, 2)).toEqual([0, 1]);
    expect(() => normalizeAxis(3, 3)).toThrow(/axis out of range/);
    expect(() => normalizeAxis(0.5, 3)).toThrow(/axis out of range/);
  });
});
