/** Steps from text to training data that ask a teacher; docs/data-steps.md. */
import type { DataStep } from '../../data/steps/step.ts';
import { expandStep } from './expand.ts';
import { judgeStep, preferStep } from './judge.ts';
import { explainStep, sampleStep, writeStep } from './write.ts';

export const askingSteps: readonly DataStep[] = [
  writeStep,
  sampleStep,
  expandStep,
  explainStep,
  judgeStep,
  preferStep,
];
