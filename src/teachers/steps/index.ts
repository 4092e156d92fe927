/** Steps from text to training data that ask a teacher; docs/data-steps.md. */
import type { DataStep } from '../../data/steps/step.ts';
import { expandStep } from './expand.ts';
import { judgeStep, preferStep } from './judge.ts';
import { explainStep, writeStep } from './write.ts';

export const askingSteps: readonly DataStep[] = [writeStep, expandStep, explainStep, judgeStep, preferStep];
