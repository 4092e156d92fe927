/** Models as data and pure functions: configs, parameters, forward passes, inference. */
export { architectures, isDecoder, labelNamesOf, labelsOf, modelFromConfig } from './auto.ts';
export { type Architecture, architectureCatalogue, type ModelInfo } from './catalogue.ts';
export { createInference, type Inference, type InferenceOptions } from './inference.ts';
export { type AnyModel, applyModel, applyWithTaps, init, type Model } from './model.ts';
export {
  countParams,
  type Initializer,
  initParams,
  type ParamSpec,
  type ParamSpecs,
  type Params,
} from './params.ts';
export { type ForwardContext, type Scope, scopeOf } from './scope.ts';
