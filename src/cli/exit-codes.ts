import type { ErrorCode } from '../util/errors.ts';

/** Exit code of the command line for each kind of error; 0 is success. docs/cli.md lists them. */
export const exitCodes: Record<ErrorCode, number> = {
  internal: 1,
  usage: 2,
  recipe: 3,
  data: 4,
  model: 5,
  pairing: 6,
  shape: 7,
  engine: 8,
  teacher: 9,
  budget: 10,
  interrupted: 130,
};

/** What each kind of error means, for help and docs. */
export const exitMeanings: Record<ErrorCode, string> = {
  internal: 'a bug in decant',
  usage: 'wrong flags or arguments',
  recipe: 'the recipe does not parse or validate',
  data: 'a data file is missing, malformed or unusable',
  model: 'a model folder, checkpoint or ONNX file is malformed or not supported',
  pairing: 'teacher and student do not fit together',
  shape: 'a model was given inputs of the wrong shape',
  engine: 'the execution engine refused or failed',
  teacher: 'a teacher could not answer',
  budget: 'a limit of money, tokens or time was reached',
  interrupted: 'stopped on request; resume goes on',
};
