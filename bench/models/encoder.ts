import {
  add,
  gelu,
  layerNorm,
  linear,
  type NDArray,
  ndarray,
  reshape,
  scaledDotProductAttention,
  split,
  type Tensor,
  transpose,
} from '../../src/graph/index.ts';
import { createRng } from '../../src/util/rng.ts';

const LAYERS = 6;
const WIDTH = 384;
const HEADS = 12;
const BATCH = 8;
const LENGTH = 128;

export type EncoderParams<L> = Record<string, L>;

/** The case `encoder`: six post-norm layers on hidden states `[8, 128, 384]`, 12 heads, inner width 1536. */
export function encoderParams(seed = 0): EncoderParams<NDArray> {
  const rng = createRng(seed);
  const p: EncoderParams<NDArray> = {};
  const dense = (at: string, inputs: number, outputs: number): void => {
    p[`${at}.w`] = ndarray(
      Float32Array.from({ length: inputs * outputs }, () => 0.05 * rng.normal()),
      [inputs, outputs],
    );
    p[`${at}.b`] = ndarray(new Float32Array(outputs), [outputs]);
  };
  const norm = (at: string): void => {
    p[`${at}.scale`] = ndarray(new Float32Array(WIDTH).fill(1), [WIDTH]);
    p[`${at}.bias`] = ndarray(new Float32Array(WIDTH), [WIDTH]);
  };
  for (let i = 0; i < LAYERS; i++) {
    dense(`h${i}.qkv`, WIDTH, 3 * WIDTH);
    dense(`h${i}.proj`, WIDTH, WIDTH);
    norm(`h${i}.ln1`);
    dense(`h${i}.up`, WIDTH, 4 * WIDTH);
    dense(`h${i}.down`, 4 * WIDTH, WIDTH);
    norm(`h${i}.ln2`);
  }
  return p;
}

export function encoderInput(seed: number | string): NDArray {
  const rng = createRng(seed);
  return ndarray(
    Float32Array.from({ length: BATCH * LENGTH * WIDTH }, () => rng.normal()),
    [BATCH, LENGTH, WIDTH],
  );
}

export function encoderForward(p: EncoderParams<Tensor>, x: Tensor): Tensor {
  const heads = (t: Tensor): Tensor =>
    transpose(reshape(t, [BATCH, LENGTH, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
  const dense = (h: Tensor, at: string): Tensor => linear(h, p[`${at}.w`], p[`${at}.b`]);
  const norm = (h: Tensor, at: string): Tensor => layerNorm(h, p[`${at}.scale`], p[`${at}.bias`]);
  for (let i = 0; i < LAYERS; i++) {
    const [q, k, v] = split(dense(x, `h${i}.qkv`), [WIDTH, WIDTH, WIDTH], -1);
    const a = scaledDotProductAttention(heads(q), heads(k), heads(v));
    const merged = reshape(transpose(a, [0, 2, 1, 3]), [BATCH, LENGTH, WIDTH]);
    x = norm(add(x, dense(merged, `h${i}.proj`)), `h${i}.ln1`);
    x = norm(add(x, dense(gelu(dense(x, `h${i}.up`)), `h${i}.down`)), `h${i}.ln2`);
  }
  return x;
}
