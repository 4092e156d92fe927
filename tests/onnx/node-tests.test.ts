import { beforeAll, describe, expect, it } from 'vitest';
import { IMPORTERS } from '../../src/graph/onnx/import/tables.ts';
import { isInstalled, operatorsOf, runNodeTest, testNames } from './node-tests.ts';
import { SKIPPED_OPERATORS, SKIPPED_TESTS } from './skips.ts';

const installed = isInstalled();
const names = installed ? testNames() : [];
const skipOf = (name: string): string | undefined =>
  SKIPPED_TESTS.find(([pattern]) => pattern.test(name))?.[1];
const missingOf = (name: string): string[] => operatorsOf(name).filter((op) => op in SKIPPED_OPERATORS);

describe.skipIf(!installed)("the ONNX project's node tests (Debian package libonnx-testdata)", () => {
  let kinds: { run: string[]; named: string[]; operators: string[] };
  beforeAll(() => {
    kinds = { run: [], named: [], operators: [] };
    for (const name of names) {
      const kind = skipOf(name) ? 'named' : missingOf(name).length > 0 ? 'operators' : 'run';
      kinds[kind].push(name);
    }
  });

  it('every model that is not in the list of skips gives the expected outputs, on the oracle and on onnxruntime', async () => {
    const failures: string[] = [];
    for (const name of kinds.run) {
      await runNodeTest(name).catch((e: Error) => failures.push(`${name}: ${e.message}`));
    }
    expect(failures).toEqual([]);
    expect(kinds.run.length).toBeGreaterThan(890);
  }, 120_000);

  it('what is in the list of skips would fail', async () => {
    for (const op of Object.keys(SKIPPED_OPERATORS)) expect(Object.hasOwn(IMPORTERS, op), op).toBe(false);
    for (const name of kinds.named) await expect(runNodeTest(name), name).rejects.toThrow();
    for (const [pattern] of SKIPPED_TESTS) {
      expect(
        kinds.named.some((n) => pattern.test(n)),
        `${pattern}`,
      ).toBe(true);
    }
  }, 60_000);
});

it.skipIf(installed)('the node tests need: apt-get install libonnx-testdata', () => {
  expect(names).toEqual([]);
});
