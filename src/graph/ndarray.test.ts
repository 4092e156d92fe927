import { describe, expect, it } from 'vitest';
import { fromFloat16Bits, toFloat16Bits } from './dtype.ts';
import { array, cast, full, item, ndarray, scalar, toNested, toNumbers, zeros } from './ndarray.ts';

describe('host arrays', () => {
  it('come from nested or flat numbers', () => {
    const a = array([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(a.shape).toEqual([2, 3]);
    expect(a.dtype).toBe('float32');
    expect(array([1, 2, 3, 4], 'int32', [2, 2]).shape).toEqual([2, 2]);
    expect(array(7).shape).toEqual([]);
    expect(array([[], []]).shape).toEqual([2, 0]);
    expect(() => array([1, 2, 3], 'float32', [2, 2])).toThrow(/needs 4 elements/);
  });

  it('take their dtype from a typed array', () => {
    expect(ndarray(new Int32Array(2)).dtype).toBe('int32');
    expect(ndarray(new BigInt64Array(2)).dtype).toBe('int64');
    expect(ndarray(new Uint8Array(2), [2], 'bool').dtype).toBe('bool');
    expect(() => ndarray(new Float32Array(3), [2])).toThrow(/needs 2 elements/);
  });

  it('hold each dtype', () => {
    expect([...(array([1.9, -1.9], 'int32').data as Int32Array)]).toEqual([1, -1]);
    expect([...(array([3, -4], 'int64').data as BigInt64Array)]).toEqual([3n, -4n]);
    expect([...(array([0, 2, -1], 'bool').data as Uint8Array)]).toEqual([0, 1, 1]);
    expect([...toNumbers(array([0.5, -2], 'float16'))]).toEqual([0.5, -2]);
    expect([...toNumbers(array([2 ** 32 - 1], 'uint32'))]).toEqual([4294967295]);
  });

  it('cast, fill and print', () => {
    expect(toNested(cast(array([[1.7, -1.7]]), 'int32'))).toEqual([[1, -1]]);
    expect(toNested(cast(array([1, 0], 'bool'), 'float32'))).toEqual([1, 0]);
    expect(toNested(full([2, 2], 3, 'int64'))).toEqual([
      [3, 3],
      [3, 3],
    ]);
    expect(toNested(zeros([2, 0]))).toEqual([[], []]);
    expect(item(scalar(2.5))).toBe(2.5);
    expect(() => item(array([1, 2]))).toThrow(/one element/);
  });
});

describe('float16', () => {
  it('keeps every one of its own values', () => {
    const lost: number[] = [];
    for (let h = 0; h < 65536; h++) {
      const x = fromFloat16Bits(h);
      if (!Number.isNaN(x) && toFloat16Bits(x) !== h) lost.push(h);
    }
    expect(lost).toEqual([]);
  });

  it('rounds to the nearest, ties to even, and overflows to infinity', () => {
    expect(fromFloat16Bits(toFloat16Bits(1 + 2 ** -11))).toBe(1);
    expect(fromFloat16Bits(toFloat16Bits(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
    expect(fromFloat16Bits(toFloat16Bits(65519))).toBe(65504);
    expect(fromFloat16Bits(toFloat16Bits(65520))).toBe(Infinity);
    expect(fromFloat16Bits(toFloat16Bits(2 ** -25))).toBe(0);
    expect(fromFloat16Bits(toFloat16Bits(2 ** -24 * 0.51))).toBe(2 ** -24);
    expect(Number.isNaN(fromFloat16Bits(toFloat16Bits(NaN)))).toBe(true);
  });
});
