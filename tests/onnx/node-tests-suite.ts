import { expect, it } from 'vitest';
import { isInstalled, operatorsOf, runNodeTest, testNames } from './node-tests.ts';
import { SKIPPED_OPERATORS, SKIPPED_TESTS } from './skips.ts';

const kindOf = (name: string): 'named' | 'operators' | 'run' => {
  if (SKIPPED_TESTS.some(([pattern]) => pattern.test(name))) return 'named';
  return operatorsOf(name).some((op) => op in SKIPPED_OPERATORS) ? 'operators' : 'run';
};

/** Declares a test that runs every `every`-th node test that is not in the list of skips; all of them for 1. */
export function declareNodeTests(every: number): void {
  const installed = isInstalled();
  it.skipIf(!installed)(
    `${every === 1 ? 'every model' : `one model in ${every}`} gives the expected outputs, on the oracle and on onnxruntime`,
    async () => {
      const run = testNames().filter((name) => kindOf(name) === 'run');
      expect(run.length).toBeGreaterThan(890);
      const failures: string[] = [];
      for (const name of run.filter((_, i) => i % every === 0)) {
        await runNodeTest(name).catch((e: Error) => failures.push(`${name}: ${e.message}`));
      }
      expect(failures).toEqual([]);
    },
    120_000,
  );
  it.skipIf(!installed)('what is in the list of skips would fail', async () => {
    const named = testNames().filter((name) => kindOf(name) === 'named');
    for (const name of named) await expect(runNodeTest(name), name).rejects.toThrow();
    const used = SKIPPED_TESTS.filter(([pattern]) => named.some((n) => pattern.test(n)));
    expect(used).toEqual(SKIPPED_TESTS);
  });
  it.skipIf(installed)('is skipped: the node tests need apt-get install libonnx-testdata', () => {
    expect(installed).toBe(false);
  });
}
