import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type DocEntry,
  documented,
  lossFamilies,
  lossFiles,
  PAGE,
  page,
} from '../scripts/losses-reference.ts';
import { interpret } from '../src/engine/reference/interpreter.ts';
import * as graph from '../src/graph/index.ts';
import * as losses from '../src/losses/index.ts';
import { compare } from '../src/losses/vectors/index.ts';

const entries = lossFamilies().flatMap(documented);
const functions = entries.filter((e) => e.kind === 'function');
// a year alone sends the reader through a whole paper; `none` is said of what has no source in the literature
const PLACE =
  /\b(eq\. \d|section|algorithm|table|appendix|definition|form|code|documentation|unnumbered)|^none: /;

/** Names in a signature; options describe themselves in their interface. */
const argumentsOf = ({ signature }: DocEntry): string[] =>
  signature
    .slice(signature.indexOf('(') + 1, -1)
    .split(', ')
    .map((name) => name.replace('?', ''))
    .filter((name) => name !== 'options');

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
    '%s says what it computes, on which shapes, from where, with an example',
    (_, e) => {
      expect(e.description.length).toBeGreaterThan(20);
      const told = new Set(e.params.map((p) => p.name));
      expect(
        argumentsOf(e).filter((name) => !told.has(name)),
        'arguments left out',
      ).toEqual([]);
      expect(e.returns ?? '', 'what it returns').not.toBe('');
      expect(e.examples.length, 'an example').toBeGreaterThan(0);
      expect(e.source ?? '', 'a source that names a place').toMatch(PLACE);
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
