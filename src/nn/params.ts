import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { createRng, type Rng } from '../util/rng.ts';

/**
 * Parameters are a flat tree: full dotted name to array, the names of Hugging Face checkpoints
 * (`bert.encoder.layer.0.attention.self.query.weight`). What a safetensors file holds is what a model takes.
 */
export type Params<L> = Record<string, L>;

/** Fills one parameter. `shape` is that of the parameter; fan-in conventions are the initializer's. */
export type Initializer = (shape: readonly number[], rng: Rng) => Float32Array;

export interface ParamSpec {
  readonly shape: readonly number[];
  readonly init: Initializer;
  /** Name of the parameter this one shares its storage with (tied embeddings); it is then not stored. */
  readonly tiedTo?: string;
  /** Running statistics and other values that the optimizer must not touch. */
  readonly buffer?: boolean;
}

export type ParamSpecs = Record<string, ParamSpec>;

const count = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);
const from = (shape: readonly number[], f: () => number): Float32Array =>
  Float32Array.from({ length: count(shape) }, f);

/** Normal(0, std), the usual start of transformers (std 0.02). */
export const normalInit =
  (std: number): Initializer =>
  (shape, rng) =>
    from(shape, () => std * rng.normal());
export const constantInit =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(count(shape)).fill(value);
export const zerosInit = constantInit(0);
export const onesInit = constantInit(1);
export const uniformInit =
  (bound: number): Initializer =>
  (shape, rng) =>
    from(shape, () => bound * (2 * rng.uniform() - 1));

/** Inputs per output unit of a `[out, in, ...kernel]` weight. */
const fanIn = (shape: readonly number[]): number => count(shape.slice(1));

/** PyTorch's default for linear and convolution weights `[out, in, ...]`: U(±1/√fan_in). */
export const fanInInit: Initializer = (shape, rng) =>
  uniformInit(1 / Math.sqrt(Math.max(1, fanIn(shape))))(shape, rng);
/** He et al. 2015, normal, fan-out mode (residual networks): std √(2 / (out · kernel)). */
export const heFanOutInit: Initializer = (shape, rng) =>
  normalInit(Math.sqrt(2 / (shape[0] * count(shape.slice(2)))))(shape, rng);
/** Glorot & Bengio 2010, uniform: bound √(6 / (fan_in + fan_out)). */
export const glorotInit: Initializer = (shape, rng) =>
  uniformInit(Math.sqrt(6 / (fanIn(shape) + shape[0] * count(shape.slice(2)))))(shape, rng);

/** Puts `path.` before each name. */
export const prefixed = (path: string, specs: ParamSpecs): ParamSpecs =>
  path === '' ? specs : Object.fromEntries(Object.entries(specs).map(([name, s]) => [`${path}.${name}`, s]));

/**
 * Fresh parameters. Each parameter has its own random stream, a function of the seed and its name: adding a
 * parameter does not change the others.
 */
export function initParams(specs: ParamSpecs, seed: number | string): Params<NDArray> {
  const root = createRng(seed);
  return Object.fromEntries(
    Object.entries(specs)
      .filter(([, s]) => s.tiedTo === undefined)
      .map(([name, s]) => [name, ndarray(s.init(s.shape, root.fork(name)), s.shape)]),
  );
}

/** Number of trainable scalars (buffers and tied copies not counted). */
export const countParams = (specs: ParamSpecs): number =>
  Object.values(specs).reduce((n, s) => n + (s.buffer || s.tiedTo !== undefined ? 0 : count(s.shape)), 0);
