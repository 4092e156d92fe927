export type { NDArray, Tensor } from '../graph/index.ts';
export type { ParamSpecs, Params } from '../nn/params.ts';
