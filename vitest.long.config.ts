import { defineConfig } from 'vitest/config';

/** Tests that take minutes, or that need a browser: run by .ci/run, not by `npm test`. */
export default defineConfig({
  test: {
    include: ['src/**/*.long.test.ts', 'tests/**/*.long.test.ts', 'tests/**/*.browser.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 900_000,
    hookTimeout: 300_000,
  },
});
