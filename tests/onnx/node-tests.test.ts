import { describe, expect, it } from 'vitest';
import { IMPORTERS } from '../../src/graph/onnx/import/tables.ts';
import { declareNodeTests } from './node-tests-suite.ts';
import { SKIPPED_OPERATORS } from './skips.ts';

describe("the ONNX project's node tests (a part; all of them: npm run test:long)", () => {
  declareNodeTests(6);
  it('no operator that is imported is in the list of skips', () => {
    for (const op of Object.keys(SKIPPED_OPERATORS)) expect(Object.hasOwn(IMPORTERS, op), op).toBe(false);
  });
});
