import { describe, expect, it } from 'vitest';
import { constant, mul, type Tensor } from '../graph/index.ts';
import { scopeOf } from './scope.ts';

const params = { 'a.b.weight': constant([1, 2]), 'a.c.weight': constant([3]) };

describe('a scope', () => {
  it('finds parameters below its path and names missing ones in full', () => {
    const b = scopeOf(params).at('a').at('b');
    expect(b.path).toBe('a.b');
    expect(b.param('weight')).toBe(params['a.b.weight']);
    expect([b.has('weight'), b.has('bias')]).toEqual([true, false]);
    expect(() => b.param('wieght')).toThrow(/'a\.b\.wieght' is missing[\s\S]*a\.b\.weight/);
    expect(() => scopeOf({}).param('x')).toThrow(/config\.json/);
  });

  it('records what is tapped, behind an intervention', () => {
    const taps = new Map<string, Tensor>();
    const seen: string[] = [];
    const doubled = mul(params['a.c.weight'], 2);
    const s = scopeOf(params, {
      taps,
      intercept: (path, value) => {
        seen.push(path);
        return path === 'a.c.part' ? doubled : value;
      },
    }).at('a.c');
    expect(s.tap(params['a.c.weight'])).toBe(params['a.c.weight']);
    expect(s.tap(params['a.c.weight'], 'part')).toBe(doubled);
    expect(seen).toEqual(['a.c', 'a.c.part']);
    expect(taps.get('a.c.part')).toBe(doubled);
  });
});
