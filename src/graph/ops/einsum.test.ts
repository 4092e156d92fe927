import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import { array, toNumbers } from '../ndarray.ts';
import { spec, trace } from '../trace.ts';
import { einsum } from './einsum.ts';

function run(equation: string, ...operands: number[][][]): number[] {
  const inputs = operands.map((o) => array(o));
  const { graph } = trace(
    (...t) => einsum(equation, ...t),
    inputs.map((a) => spec(a.shape)),
  );
  return [...toNumbers(interpret(graph, inputs)[0])];
}

describe('einsum', () => {
  const a = [
    [1, 2],
    [3, 4],
  ];
  const b = [
    [5, 6],
    [7, 8],
  ];
  it('computes products, traces, diagonals and outer sums by hand-checked values', () => {
    expect(run('ij,jk->ik', a, b)).toEqual([19, 22, 43, 50]);
    expect(run('ij,jk->ki', a, b)).toEqual([19, 43, 22, 50]);
    expect(run('ij,kj', a, b)).toEqual([17, 23, 39, 53]);
    expect(run('ii', a)).toEqual([5]);
    expect(run('ii->i', b)).toEqual([5, 8]);
    expect(run('ij,kl->', a, b)).toEqual([260]);
    expect(run('ij->ji', a)).toEqual([1, 3, 2, 4]);
    expect(run('...j,...j->...', a, b)).toEqual([17, 53]);
  });
  it('says which term does not fit', () => {
    expect(() => run('ijk->i', a)).toThrow(/term 'ijk' does not fit/);
    expect(() => run('ij->k', a)).toThrow(/'k' is in no term/);
    expect(() => run('ij,jk->ik', a, [[1, 2, 3]])).toThrow(/'j' has two sizes/);
    expect(() => run('ij,jk', a)).toThrow(/2 terms for 1 operands/);
  });
});
