import { describe, expect, it } from 'vitest';
import { toNested } from '../graph/index.ts';
import { graphInputs } from './graph-data.ts';

const x = Float32Array.from([1, 0, 0, 1, 1, 0]);
const graph = { nodes: 3, features: 2, edges: [0, 1, 1, 2], x };

describe('the inputs of graph networks', () => {
  it('have each edge in both directions, ordered by target, and degrees', () => {
    const g = graphInputs(graph);
    expect(toNested(g.edge_source)).toEqual([1, 0, 2, 1]);
    expect(toNested(g.edge_target)).toEqual([0, 1, 1, 2]);
    expect(toNested(g.degree)).toEqual([1, 2, 1]);
    expect(toNested(g.features)).toEqual([
      [1, 0],
      [0, 1],
      [1, 0],
    ]);
  });

  it('list the ones of binary features', () => {
    const g = graphInputs(graph, { sparse: true });
    expect(g.features).toBeUndefined();
    expect(toNested(g.feature_nodes)).toEqual([0, 1, 2]);
    expect(toNested(g.feature_columns)).toEqual([0, 1, 0]);
  });

  it('refuse unknown nodes, and other numbers in index lists', () => {
    expect(() => graphInputs({ ...graph, edges: [0, 3] })).toThrow(/unknown node[\s\S]*0 to 2/);
    const half = Float32Array.from(x, (v) => v / 2);
    expect(() => graphInputs({ ...graph, x: half }, { sparse: true })).toThrow(/node 0, feature 0/);
  });
});
