import { describe, expect, it } from 'vitest';
import { array } from './ndarray.ts';
import { treeEntries, treeLeaves, treeMap, treeUnflatten } from './tree.ts';

const tree = { b: [1, { c: 2 }], a: 3, none: undefined };

describe('trees', () => {
  it('list leaves with dotted paths, in insertion order, without holes', () => {
    expect(treeEntries<number>(tree)).toEqual([
      ['b.0', 1],
      ['b.1.c', 2],
      ['a', 3],
    ]);
    expect(treeEntries(5, 'root')).toEqual([['root', 5]]);
    expect(treeLeaves({})).toEqual([]);
  });

  it('map leaves and keep the structure', () => {
    expect(treeMap<number, string, typeof tree>(tree, (x, path) => `${path}=${x}`)).toEqual({
      b: ['b.0=1', { c: 'b.1.c=2' }],
      a: 'a=3',
      none: undefined,
    });
  });

  it('take leaves back in order', () => {
    expect(treeUnflatten<number, string, typeof tree>(tree, ['x', 'y', 'z'])).toEqual({
      b: ['x', { c: 'y' }],
      a: 'z',
      none: undefined,
    });
  });

  it('treat host arrays, typed arrays and class instances as leaves', () => {
    const host = array([1, 2]);
    const date = new Date(0);
    expect(treeLeaves({ host, date, typed: new Float32Array(2) })).toEqual([host, date, new Float32Array(2)]);
  });

  it('are restored from their own leaves, for random trees', () => {
    const make = (depth: number, seed: number): unknown => {
      if (depth === 0 || seed % 5 === 0) return seed;
      const children = Array.from({ length: 1 + (seed % 3) }, (_, i) => make(depth - 1, seed * 7 + i));
      return seed % 2 === 0 ? children : Object.fromEntries(children.map((c, i) => [`k${i}`, c]));
    };
    for (let seed = 1; seed < 50; seed++) {
      const t = make(4, seed);
      expect(treeUnflatten<number, number, object>(t as object, treeLeaves(t))).toEqual(t);
    }
  });
});
