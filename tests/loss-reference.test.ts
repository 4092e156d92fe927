import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { documented, lossFamilies, lossFiles, PAGE, page } from '../scripts/losses-reference.ts';
import { interpret } from '../src/engine/reference/interpreter.ts';
import * as graph from '../src/graph/index.ts';
import * as losses from '../src/losses/index.ts';
import { compare } from '../src/losses/vectors/index.ts';

const entries = lossFamilies().flatMap(documented);
const functions = entries.filter((e) => e.kind === 'function');
// what is no loss of the literature: shapes, masks and bookkeeping
const NO_SOURCE = new Set([
  'maskedMean',
  'maskedSum',
  'labelMask',
  'shiftTokens',
  'pickLabel',
  'temperedLogp',
  'entropy',
  'pairwiseDistances',
  'tailLabels',
  'logRatios',
  'lengthNormalized',
  'tokenLogp',
  'spanLogLikelihood',
  'alignedSpanMse',
  'defaultChunk',
  'adaptiveAveragePool',
  'nll',
]);

/** Tensors without inputs become numbers. */
function numbersOf(x: unknown): unknown {
  if (!(x instanceof graph.Tensor)) return x;
  return graph.toNested(interpret({ inputs: [], outputs: [x] }, [])[0]);
}

describe('the reference of the losses', () => {
  it('lists every family', () => {
    expect([...lossFamilies()].sort()).toEqual(lossFiles());
  });
  it('is up to date (npm run docs:losses)', () => {
    expect(readFileSync(PAGE, 'utf8')).toBe(page());
  });
  it.each(functions.map((e) => [e.name, e] as const))(
    '%s says what it computes, from where, with an example',
    (name, e) => {
      expect(e.description.length).toBeGreaterThan(20);
      if (name !== 'defaultChunk') expect(e.examples.length, 'an example').toBeGreaterThan(0);
      if (!NO_SOURCE.has(name)) expect(e.source ?? '', 'a source').not.toBe('');
    },
  );
  it.each(functions.flatMap((e) => e.examples.map((x) => [x.code, x.value] as const)))(
    '%s',
    (code, value) => {
      const scope = { ...graph, ...losses };
      const run = new Function(...Object.keys(scope), `return (${code});`);
      const { mismatches } = compare(numbersOf(run(...Object.values(scope))), JSON.parse(value), 2e-6);
      expect(mismatches).toEqual([]);
    },
  );
});
