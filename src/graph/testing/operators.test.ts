import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMPOSITES, OPERATORS } from '../ops/index.ts';
import { operatorFacts } from './coverage.ts';
import { ELEMENTARY, LAYERS } from './families.ts';
import { operatorsTable } from './operators-table.ts';

const listed = Object.values(OPERATORS).flat();
const opsFolder = new URL('../ops/', import.meta.url);

/** What an operator is made of; anything with these fields is one. */
const isOperator = (x: unknown): x is { name: string } =>
  typeof x === 'object' &&
  x !== null &&
  ['name', 'doc', 'infer', 'evaluate', 'vjp', 'emit'].every((k) => k in x);

describe('the list of operators', () => {
  it('names each operator that a file of ops/ defines, once', async () => {
    const files = readdirSync(opsFolder).filter(
      (f) => f.endsWith('.ts') && !f.endsWith('.test.ts') && f !== 'index.ts',
    );
    const found = new Set<unknown>();
    for (const f of files)
      for (const x of Object.values(await import(new URL(f, opsFolder).href)))
        if (isOperator(x)) found.add(x);
    const missing = [...found].filter((x) => !listed.includes(x as never)) as { name: string }[];
    expect(missing.map((x) => x.name)).toEqual([]);
    expect(new Set(listed.map((o) => o.name)).size).toBe(listed.length);
    expect(listed.length).toBeGreaterThan(90);
  });

  it('has samples for each operator, and finite differences for each gradient', () => {
    const facts = [...operatorFacts().values()].filter((f) => !['input', 'constant'].includes(f.op.name));
    expect(facts.filter((f) => f.sampled === 'no').map((f) => f.op.name)).toEqual([]);
    // reached only inside the gradients of convolution and pooling, so checked by their second order
    const inner = ['avgUnpool', 'convWeightGradient', 'maxUnpool'];
    const unchecked = facts.filter((f) => f.op.vjp !== 'none' && !f.gradientChecked).map((f) => f.op.name);
    expect(unchecked.filter((name) => !inner.includes(name))).toEqual([]);
  });

  it('has samples for each composite function', () => {
    const names = [...Object.values(ELEMENTARY), ...Object.values(LAYERS)].flat().map((s) => s.op);
    const without = Object.keys(COMPOSITES).filter((c) => !names.some((n) => n.split(/[ ,]+/).includes(c)));
    expect(without).toEqual([]);
  });
});

it('docs/operators.md is current (npx tsx scripts/operators-doc.ts writes it)', async () => {
  const file = new URL('../../../docs/operators.md', import.meta.url);
  // the formatter pads the columns with spaces and dashes
  const plain = (text: string): string => text.replace(/[ -]+/g, ' ');
  expect(plain(readFileSync(file, 'utf8'))).toBe(plain(await operatorsTable()));
}, 120_000);
