import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import type { Rng } from '../../util/rng.ts';
import { gradients } from '../autodiff.ts';
import { isFloat } from '../dtype.ts';
import { type NDArray, ndarray, sizeOf, toNumbers } from '../ndarray.ts';
import { writeOnnx } from '../onnx/writer.ts';
import { add, mul } from '../ops/arithmetic.ts';
import { sum } from '../ops/reduce.ts';
import { sym } from '../shape.ts';
import { constant, type Tensor } from '../tensor.ts';
import { type Graph, spec, trace } from '../trace.ts';

/** One randomized use of an operator (or composite). */
export interface OpSample {
  inputs: NDArray[];
  apply: (...t: Tensor[]) => Tensor | Tensor[];
  /** Largest |float32 onnxruntime - oracle| relative to max(1, |oracle|∞); default 1e-5. */
  tolerance?: number;
  /** Indices of the inputs to differentiate; default: all float ones. */
  wrt?: number[];
  /** Symbolic sizes to trace with, per input (numbers stay); default: the sizes of the arrays. */
  shapes?: (readonly (number | string)[])[];
  /** The operator is not defined in onnxruntime for this case (why); the oracle and gradients are still checked. */
  skipOrt?: string;
}

/** Samples of one operator: `make` draws shapes, attributes and values (zero-size and broadcasting cases included). */
export interface OpSamples {
  /** Name of the operator or composite, and a remark where there are several. */
  op: string;
  make: (rng: Rng) => OpSample;
  /** Check gradients against finite differences; false for operators without a gradient. */
  gradient: boolean;
  /** Check gradients of gradients too. */
  smooth: boolean;
  /** Fixed cases besides: zero-size arrays, other dtypes, infinities; compared with onnxruntime only. */
  edges?: () => OpSample[];
}

export const asList = (x: Tensor | Tensor[]): Tensor[] => (Array.isArray(x) ? x : [x]);
export const traced = (s: OpSample, fn: (...t: Tensor[]) => Tensor[], prefix = ''): Graph =>
  trace(
    (...t: Tensor[]) => fn(...t),
    s.inputs.map((a, i) =>
      spec(
        s.shapes?.[i].map((d) => (typeof d === 'string' ? sym(prefix + d) : d)) ?? a.shape,
        a.dtype === 'float64' ? 'float32' : a.dtype,
      ),
    ),
    s.inputs.map((_, i) => `${prefix}x${i}`),
  ).graph;

export function expectClose(got: NDArray, want: NDArray, tolerance: number, what = ''): void {
  if (got.shape.join() !== want.shape.join())
    throw new Error(`${what}: got shape [${got.shape}], want [${want.shape}]`);
  const g = toNumbers(got);
  const w = toNumbers(want);
  const finite = w.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 1);
  for (let i = 0; i < w.length; i++) {
    if (Object.is(g[i], w[i]) || g[i] === w[i] || (Number.isNaN(g[i]) && Number.isNaN(w[i]))) continue;
    const diff = Math.abs(g[i] - w[i]);
    if (!(diff <= tolerance * finite))
      throw new Error(`${what} element ${i}: got ${g[i]}, want ${w[i]} (tolerance ${tolerance} × ${finite})`);
  }
}

/**
 * The oracle and onnxruntime (in Node, or as `run` runs it) agree on the samples. They run as one model, as making a session takes longest; when
 * onnxruntime refuses it, they run one by one, so that the error belongs to one of them.
 */
export async function checkAgainstOrt(samples: readonly OpSample[], run = runOrt): Promise<void> {
  const cases = samples
    .filter((s) => !s.skipOrt)
    .map((s, k) => {
      const inputs = s.inputs.map((a) =>
        a.dtype === 'float64' ? ndarray(Float32Array.from(a.data as Float64Array), a.shape) : a,
      );
      const graph = traced({ ...s, inputs }, (...t) => asList(s.apply(...t)), `s${k}_`);
      return { graph, inputs, want: interpret(graph, inputs), tolerance: s.tolerance ?? 1e-5 };
    });
  const together: Graph = {
    inputs: cases.flatMap((c) => c.graph.inputs),
    outputs: cases.flatMap((c) => c.graph.outputs),
  };
  const bytes = [false, true].map((standardOnly) => writeOnnx(together, { standardOnly }));
  const same = Buffer.compare(bytes[0], bytes[1]) === 0;
  for (const standardOnly of same ? [true] : [false, true]) {
    const all = cases.flatMap((c) => c.inputs);
    const results = await run(together, all, { standardOnly }).catch(async (e) => {
      for (const c of cases) await run(c.graph, c.inputs, { standardOnly });
      throw e;
    });
    for (const [k, c] of cases.entries()) {
      for (const [i, out] of c.graph.outputs.entries()) {
        const got = results.shift()!;
        const what = `sample ${k}, output ${i}${standardOnly ? ' (standard operators)' : ''}`;
        if (got.dtype !== out.dtype) throw new Error(`${what}: got ${got.dtype}, want ${out.dtype}`);
        expectClose(got, c.want[i], c.tolerance, what);
      }
    }
  }
}

const F64 = (a: NDArray): NDArray =>
  isFloat(a.dtype) ? ndarray(toNumbers(a).slice(), a.shape, 'float64') : a;

/** Σ outputs · fixed pseudo-random weights: a scalar whose gradient sees every output element. */
function weighted(outs: Tensor[]): Tensor {
  return outs
    .filter((t) => isFloat(t.dtype))
    .map((t, k) => {
      const shape = t.shape as number[];
      const w = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.3 * i + 0.7 + k) + 0.25);
      return sum(mul(t, constant(ndarray(Float32Array.from(w), shape))));
    })
    .reduce((a, b) => add(a, b));
}

/** The gradient equals five-point finite differences on the oracle, to 1e-6·max(1, |g|∞). */
export function checkGradient(s: OpSample, { order = 1, tolerance = 1e-6, h = 1e-3 } = {}): void {
  const inputs = s.inputs.map(F64);
  const wrt = s.wrt ?? inputs.flatMap((a, i) => (a.dtype === 'float64' ? [i] : []));
  const scalar = (t: Tensor[]): Tensor => {
    const y = weighted(asList(s.apply(...t)));
    return order === 1
      ? y
      : weighted(
          gradients(
            y,
            wrt.map((i) => t[i]),
          ),
        );
  };
  const value = traced({ ...s, inputs }, (...t) => [scalar(t)]);
  const gradient = traced({ ...s, inputs }, (...t) =>
    gradients(
      scalar(t),
      wrt.map((i) => t[i]),
    ),
  );
  const analytic = interpret(gradient, inputs);
  wrt.forEach((k, slot) => {
    const numeric = new Float64Array(inputs[k].data.length);
    const x = inputs[k].data as Float64Array;
    for (let i = 0; i < x.length; i++) {
      const x0 = x[i];
      const at = (d: number): number => {
        x[i] = x0 + d;
        const [v] = interpret(value, inputs);
        x[i] = x0;
        return v.data[0] as number;
      };
      numeric[i] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    }
    expectClose(
      analytic[slot],
      ndarray(numeric, inputs[k].shape),
      tolerance,
      `gradient of input ${k} (order ${order})`,
    );
  });
}

// --- inputs ---

/** A float32 array without elements: one of the sizes is 0. */
export const emptyArray = (shape: readonly number[]): NDArray => ndarray(new Float32Array(0), shape);

/** Uniform values in [lo, hi], of the given dtype (float32 values by default). */
export function randomArray(rng: Rng, shape: readonly number[], lo = -2, hi = 2): NDArray {
  return ndarray(
    Float32Array.from({ length: sizeOf(shape) }, () => lo + (hi - lo) * rng.uniform()),
    shape,
  );
}

/** Values that are pairwise at least 0.05 apart: away from ties and kinks of sorting, max, and pooling. */
export function distinctArray(rng: Rng, shape: readonly number[]): NDArray {
  const n = sizeOf(shape);
  const order = rng.shuffle(Array.from({ length: n }, (_, i) => i));
  return ndarray(
    Float32Array.from(order, (i) => (i - n / 2) * 0.07 + 0.013),
    shape,
  );
}

export const randomInts = (rng: Rng, shape: readonly number[], below: number): NDArray =>
  ndarray(
    Int32Array.from({ length: sizeOf(shape) }, () => rng.int(below)),
    shape,
  );

/** A shape of the given rank range, with sizes 1 to `max`. */
export const randomShape = (rng: Rng, minRank: number, maxRank: number, max = 4): number[] =>
  Array.from({ length: minRank + rng.int(maxRank - minRank + 1) }, () => 1 + rng.int(max));

/** Two shapes that broadcast together: axes stretched or missing at random. */
export function broadcastablePair(rng: Rng, maxRank = 3): [number[], number[]] {
  const full = randomShape(rng, 0, maxRank);
  const shrink = (): number[] =>
    full.slice(rng.int(full.length + 1)).map((d) => (rng.uniform() < 0.3 ? 1 : d));
  return rng.uniform() < 0.5 ? [full, shrink()] : [shrink(), full];
}
