/** Steps from text to training data that ask nobody; docs/data-steps.md. */

import { diversityStep } from './diversity.ts';
import { decontaminateStep, duplicatesStep } from './duplicates.ts';
import { lengthStep, patternStep } from './length.ts';
import { pairStep } from './pair.ts';
import { bestStep, difficultyStep } from './pick.ts';
import type { DataStep } from './step.ts';
import { verifyStep } from './verify.ts';
import { voteStep } from './vote.ts';

export const pureSteps: readonly DataStep[] = [
  lengthStep,
  patternStep,
  duplicatesStep,
  decontaminateStep,
  diversityStep,
  verifyStep,
  voteStep,
  bestStep,
  pairStep,
  difficultyStep,
];
