import { pureSteps } from '../data/steps/index.ts';
import type { DataStep } from '../data/steps/step.ts';
import { askingSteps } from '../teachers/steps/index.ts';
import { criticStep } from './critic-step.ts';

/** Every step that `data.steps` may name. A new one is a file and a line in the list of its layer. */
export const dataSteps: Readonly<Record<string, DataStep>> = Object.fromEntries(
  [...askingSteps, ...pureSteps, criticStep].map((s) => [s.name, s]),
);
