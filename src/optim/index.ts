export { accumulate } from './accumulate.ts';
export { type AdafactorOptions, adafactor } from './adafactor.ts';
export { type AdamOptions, adam, adamW } from './adam.ts';
export { addAligned } from './align.ts';
export { clipByGlobalNorm, clipByValue, globalNorm } from './clip.ts';
export { type EmaOptions, initEma, updateEma } from './ema.ts';
export { type LionOptions, lion } from './lion.ts';
export {
  type DecayMask,
  decayMatrices,
  type HostTree,
  type Optimizer,
  type OptimizerState,
  type StepInputs,
  type TensorTree,
} from './optimizer.ts';
export {
  constant,
  cosine,
  inverseSqrt,
  linear,
  oneCycle,
  type Schedule,
  stepDecay,
  toSchedule,
  warmup,
} from './schedules.ts';
export { type SgdOptions, sgd } from './sgd.ts';
export type { LossFunction, LossParts, StepContext } from './step-graph.ts';
export {
  type Checkpoint,
  type StepResult,
  type TrainStep,
  type TrainStepOptions,
  trainStep,
} from './train-step.ts';
