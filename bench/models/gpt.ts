import {
  add,
  gather,
  gelu,
  layerNorm,
  linear,
  matmul,
  mean,
  type NDArray,
  ndarray,
  reshape,
  scaledDotProductAttention,
  softmaxCrossEntropy,
  split,
  type Tensor,
  transpose,
} from '../../src/graph/index.ts';
import { createRng, type Rng } from '../../src/util/rng.ts';

/** A decoder of the GPT-2 kind: learned positions, pre-norm blocks, biases, exact GELU, separate output matrix. */
export interface GptSize {
  layers: number;
  width: number;
  heads: number;
  context: number;
  batch: number;
  vocabulary: number;
}

/** The case `gpt`. */
export const GPT: GptSize = { layers: 4, width: 256, heads: 4, context: 128, batch: 8, vocabulary: 512 };
/** A small twin that the oracle runs in a second. */
export const GPT_SMALL: GptSize = { layers: 2, width: 32, heads: 4, context: 16, batch: 4, vocabulary: 64 };

export type GptParams<L> = Record<string, L>;
export interface GptBatch<L> {
  /** `[batch, context]` int32 */
  tokens: L;
  /** `[batch, context]` int32: the next tokens */
  targets: L;
}

const normal = (rng: Rng, shape: number[], std: number): NDArray =>
  ndarray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => std * rng.normal()),
    shape,
  );
const filled = (n: number, value: number): NDArray => ndarray(new Float32Array(n).fill(value), [n]);

export function gptParams(s: GptSize, seed = 0): GptParams<NDArray> {
  const rng = createRng(seed);
  const p: GptParams<NDArray> = {
    wte: normal(rng, [s.vocabulary, s.width], 0.02),
    wpe: normal(rng, [s.context, s.width], 0.02),
  };
  const norm = (at: string): void => {
    p[`${at}.scale`] = filled(s.width, 1);
    p[`${at}.bias`] = filled(s.width, 0);
  };
  const dense = (at: string, inputs: number, outputs: number, std = 0.02): void => {
    p[`${at}.w`] = normal(rng, [inputs, outputs], std);
    p[`${at}.b`] = filled(outputs, 0);
  };
  for (let i = 0; i < s.layers; i++) {
    norm(`h${i}.ln1`);
    dense(`h${i}.qkv`, s.width, 3 * s.width);
    dense(`h${i}.proj`, s.width, s.width, 0.02 / Math.sqrt(2 * s.layers));
    norm(`h${i}.ln2`);
    dense(`h${i}.up`, s.width, 4 * s.width);
    dense(`h${i}.down`, 4 * s.width, s.width, 0.02 / Math.sqrt(2 * s.layers));
  }
  norm('lnf');
  p.head = normal(rng, [s.width, s.vocabulary], 0.02);
  return p;
}

/** Random tokens; targets are the tokens of the next position. */
export function gptBatch(s: GptSize, seed: number | string): GptBatch<NDArray> {
  const rng = createRng(seed);
  const stream = Array.from({ length: s.batch }, () =>
    Array.from({ length: s.context + 1 }, () => rng.int(s.vocabulary)),
  );
  const ints = (from: number): NDArray =>
    ndarray(Int32Array.from(stream.flatMap((row) => row.slice(from, from + s.context))), [
      s.batch,
      s.context,
    ]);
  return { tokens: ints(0), targets: ints(1) };
}

/** Logits `[batch, context, vocabulary]`. */
export function gptForward(s: GptSize, p: GptParams<Tensor>, tokens: Tensor): Tensor {
  const d = s.width / s.heads;
  const heads = (t: Tensor): Tensor => transpose(reshape(t, [s.batch, s.context, s.heads, d]), [0, 2, 1, 3]);
  const norm = (x: Tensor, at: string): Tensor => layerNorm(x, p[`${at}.scale`], p[`${at}.bias`]);
  const dense = (x: Tensor, at: string): Tensor => linear(x, p[`${at}.w`], p[`${at}.b`]);
  let x = add(gather(p.wte, tokens), p.wpe);
  for (let i = 0; i < s.layers; i++) {
    const [q, k, v] = split(dense(norm(x, `h${i}.ln1`), `h${i}.qkv`), [s.width, s.width, s.width], -1);
    const a = scaledDotProductAttention(heads(q), heads(k), heads(v), { causal: true });
    const merged = reshape(transpose(a, [0, 2, 1, 3]), [s.batch, s.context, s.width]);
    x = add(x, dense(merged, `h${i}.proj`));
    x = add(x, dense(gelu(dense(norm(x, `h${i}.ln2`), `h${i}.up`)), `h${i}.down`));
  }
  return matmul(norm(x, 'lnf'), p.head);
}

/** Mean cross-entropy of the next token. */
export const gptLoss =
  (s: GptSize) =>
  (p: GptParams<Tensor>, batch: GptBatch<Tensor>): Tensor =>
    mean(softmaxCrossEntropy(gptForward(s, p, batch.tokens), batch.targets));
