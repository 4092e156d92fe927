import type { AddCommand } from '../command.ts';
import { addCompare } from './compare.ts';
import { addData } from './data.ts';
import { addDoctor } from './doctor.ts';
import { addEval } from './eval.ts';
import { addExport } from './export.ts';
import { addInit } from './init.ts';
import { addLabel } from './label.ts';
import { addMethods } from './methods.ts';
import { addPlan } from './plan.ts';
import { addPredict } from './predict.ts';
import { addReproduce } from './reproduce.ts';
import { addResume, addRun } from './run.ts';
import { addSchema } from './schema.ts';
import { addServe } from './serve.ts';
import { addVectors } from './vectors.ts';

/** Every command, in the order of the help. A new one is a file in this folder and a line here. */
export const commands: readonly AddCommand[] = [
  addInit,
  addPlan,
  addRun,
  addResume,
  addLabel,
  addEval,
  addExport,
  addPredict,
  addServe,
  addCompare,
  addMethods,
  addReproduce,
  addData,
  addSchema,
  addVectors,
  addDoctor,
];
