import { DecantError } from '../../util/errors.ts';
import { createRng } from '../../util/rng.ts';
import { type NDArray, ndarray } from '../ndarray.ts';
import type { Emitter, OpDef } from '../op.ts';
import { type Dim, dimEquals, shapeEquals, showShape } from '../shape.ts';

// Philox4x32 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011)
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const UINT64 = 13; // ONNX TensorProto.DataType

/** What a block of random words is for; keeps the streams of one key apart. Last word of the counter. */
export const DOMAIN = { bits: 0, split: 1, fold: 2 } as const;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = a0 * b0;
  const middle = a1 * b0 + (low >>> 16);
  const cross = a0 * b1 + (middle % 65536);
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(cross / 65536)) >>> 0;
}

/** Four random words from a counter of four words and a key of two: the bijection itself, on the host. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  rounds = 10,
): [number, number, number, number] {
  let [x0, x1, x2, x3] = counter;
  let [k0, k1] = key;
  for (let r = 0; r < rounds; r++) {
    const h0 = mulHigh(M0, x0);
    const l0 = Math.imul(M0, x0) >>> 0;
    const h1 = mulHigh(M1, x2);
    const l1 = Math.imul(M1, x2) >>> 0;
    x0 = (h1 ^ x1 ^ k0) >>> 0;
    x1 = l1;
    x2 = (h0 ^ x3 ^ k1) >>> 0;
    x3 = l0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [x0, x1, x2, x3];
}

export interface PhiloxAttrs {
  blocks: Dim;
  rounds: number;
  domain: number;
}

export const philoxOp: OpDef<PhiloxAttrs> = {
  name: 'philox',
  doc: 'random words [4, blocks] from a key (Philox4x32); the counter is the block number, or given',
  infer: ([key, counter], { blocks }) => {
    if (key.dtype !== 'uint32' || !shapeEquals(key.shape, [2])) {
      throw new DecantError('shape', 'a key is uint32[2]', {
        seen: `${key.dtype}${showShape(key.shape)}`,
        fix: 'make keys with randomKey(seed), and new ones with splitKey or foldIn',
      });
    }
    if (
      counter &&
      (counter.dtype !== 'uint32' || counter.shape.length !== 1 || !dimEquals(counter.shape[0], blocks))
    )
      throw new DecantError('shape', 'the counter is uint32[blocks]', {
        seen: `${counter.dtype}${showShape(counter.shape)}`,
      });
    return [{ shape: [4, blocks], dtype: 'uint32' }];
  },
  evaluate: ([key, counter], { attrs: { rounds, domain }, types: [t] }) => {
    const m = t.shape[1];
    const out = new Float64Array(4 * m);
    const k: [number, number] = [key.data[0], key.data[1]];
    for (let i = 0; i < m; i++) {
      const words = philox4x32([counter ? counter.data[i] : i, 0, 0, domain], k, rounds);
      for (let lane = 0; lane < 4; lane++) out[lane * m + i] = words[lane];
    }
    return [out];
  },
  vjp: 'none',
  emit: (e, [key, counter], { attrs }) => {
    const count =
      counter ?? e.node('Range', [e.scalar(0, 'int64'), e.dim(attrs.blocks), e.scalar(1, 'int64')]);
    const lanes = emitPhilox(e, e.node('Cast', [count], { to: UINT64 }), key, attrs);
    const rows = lanes.map((x) => e.node('Unsqueeze', [e.cast(x, 'uint32'), e.int64([0])]));
    return [e.node('Concat', rows, { axis: 0 })];
  },
};

/** The rounds on uint64 values that hold 32-bit words: one product gives both halves. */
function emitPhilox(e: Emitter, counter: string, key: string, { rounds, domain }: PhiloxAttrs): string[] {
  const word = (v: number): string => e.node('Cast', [e.int64([v])], { to: UINT64 });
  const schedule = new Uint32Array(2 * rounds);
  for (let r = 0; r < rounds; r++) {
    schedule[2 * r] = Math.imul(r, W0);
    schedule[2 * r + 1] = Math.imul(r, W1);
  }
  const wide = e.node('Add', [key, e.constant(ndarray(schedule, [rounds, 2]))]);
  const flat = e.node('Reshape', [e.node('Cast', [wide], { to: UINT64 }), e.int64([2 * rounds])]);
  const keys = e.nodes('Split', [flat], 2 * rounds, { axis: 0, num_outputs: 2 * rounds });
  const [m0, m1, shift, low] = [M0, M1, 32, 0xffffffff].map(word);
  const xor = (a: string, b: string): string => e.node('BitwiseXor', [a, b]);
  const high = (p: string): string => e.node('BitShift', [p, shift], { direction: 'RIGHT' });
  let [x0, x1, x2, x3] = [counter, word(0), word(0), word(domain)];
  for (let r = 0; r < rounds; r++) {
    const p0 = e.node('Mul', [x0, m0]);
    const p1 = e.node('Mul', [x2, m1]);
    x0 = xor(high(p1), xor(x1, keys[2 * r]));
    x1 = e.node('BitwiseAnd', [p1, low]);
    x2 = xor(high(p0), xor(x3, keys[2 * r + 1]));
    x3 = e.node('BitwiseAnd', [p0, low]);
  }
  return [x0, x1, x2, x3];
}

/** A key (uint32[2]) from a seed: an integer below 2^53, or any text. */
export function randomKey(seed: number | string): NDArray {
  if (typeof seed === 'number') {
    if (!Number.isSafeInteger(seed) || seed < 0)
      throw new DecantError('usage', 'a seed is an integer from 0 to 2^53 - 1, or a text', { seen: seed });
    return ndarray(Uint32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32)));
  }
  const rng = createRng(seed);
  return ndarray(Uint32Array.of(rng.uint32(), rng.uint32()));
}

/** `count` independent keys from one, on the host; equal to `splitKey` in a graph. */
export const splitHostKey = (key: NDArray, count = 2): NDArray[] =>
  Array.from({ length: count }, (_, i) => derive(key, i, DOMAIN.split));

/** A key that depends on an integer (a step number), on the host; equal to `foldIn` in a graph. */
export const foldInHostKey = (key: NDArray, data: number): NDArray => derive(key, data >>> 0, DOMAIN.fold);

function derive(key: NDArray, counter: number, domain: number): NDArray {
  const [k0, k1] = key.data as Uint32Array;
  return ndarray(Uint32Array.from(philox4x32([counter, 0, 0, domain], [k0, k1]).slice(0, 2)));
}
