import { describe } from 'vitest';
import { declareNodeTests } from './node-tests-suite.ts';

describe("the ONNX project's node tests", () => {
  declareNodeTests(1);
});
