import { interpret } from '../../engine/reference/interpreter.ts';
import {
  array,
  type DType,
  type Graph,
  gradients,
  type NDArray,
  type NestedNumbers,
  spec,
  sum,
  Tensor,
  toNested,
  trace,
  zeros,
} from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { compare, type Mismatch } from './compare.ts';
import { type CaseReader, caseReader, withInfinities } from './reader.ts';
import type { DifferentiableVector, InputKind, Json, Vector, VectorCase, VectorFile } from './types.ts';

/** Runs a graph once in float32: onnxruntime in the command and the tests. */
export type Float32Runner = (graph: Graph, inputs: readonly NDArray[]) => Promise<NDArray[]>;

export interface CaseResult {
  readonly method: string;
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'unknown';
  /** Largest relative error on the oracle (or of the host code), and in float32. */
  readonly error?: number;
  readonly error32?: number;
  /** Why it failed, or that no function answers to the string. */
  readonly detail?: string;
}

/** Largest relative error allowed in float32 on onnxruntime. */
export const FLOAT32_TOLERANCE = 1e-4;

/** Evaluates each case of a file with the function that its `function` string names. */
export async function runVectorFile(
  file: VectorFile,
  vectors: readonly Vector[],
  float32: Float32Runner,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const c of file.cases) results.push(await runVectorCase(file, c, vectors, float32));
  return results;
}

export async function runVectorCase(
  file: VectorFile,
  c: VectorCase,
  vectors: readonly Vector[],
  float32: Float32Runner,
): Promise<CaseResult> {
  const id = { method: file.method, name: c.name };
  const vector = vectors.find((v) => v.method === file.method && v.function === c.function);
  if (!vector) return { ...id, status: 'unknown', detail: `no function for ${JSON.stringify(c.function)}` };
  try {
    const reader = caseReader(c);
    const tolerance = (key: string): number => vector.tolerances?.[key] ?? file.tolerance;
    if (vector.kind === 'algorithmic') {
      const { mismatches, error } = compareOutputs(await vector.run(reader), c.outputs, tolerance);
      return finish(id, [...mismatches, ...unread(reader.unread())], error);
    }
    const oracle = await evaluate(vector, c, 'float64', async (g, x) => interpret(g, x));
    const first = compareOutputs(oracle.outputs, c.outputs, tolerance, 'float64 oracle: ');
    const single = await evaluate(vector, c, 'float32', float32);
    const second = compareOutputs(
      single.outputs,
      c.outputs,
      (k) => Math.max(FLOAT32_TOLERANCE, tolerance(k)),
      'float32 onnxruntime: ',
    );
    return finish(
      id,
      [...first.mismatches, ...second.mismatches, ...unread(oracle.unread)],
      first.error,
      second.error,
    );
  } catch (e) {
    return { ...id, status: 'failed', detail: e instanceof Error ? e.message : String(e) };
  }
}

const unread = (keys: readonly string[]): Mismatch[] =>
  keys.map((k) => ({ path: `params.${k}`, detail: 'was never read' }));

function finish(
  id: { method: string; name: string },
  mismatches: readonly Mismatch[],
  error: number,
  error32?: number,
): CaseResult {
  const detail = mismatches.map((m) => `${m.path} ${m.detail}`).join('; ');
  return { ...id, status: detail ? 'failed' : 'passed', error, error32, detail: detail || undefined };
}

/** Each top-level output has a scale (and may have a tolerance) of its own. */
function compareOutputs(got: Json, want: Json, tolerance: (key: string) => number, prefix = '') {
  const entries: [string, unknown, Json][] =
    typeof want === 'object' && want !== null && !Array.isArray(want)
      ? Object.entries(want).map(([k, w]) => [k, (got as Record<string, Json> | null)?.[k], w])
      : [['outputs', got, want]];
  const all = entries.map(([k, g, w]) =>
    g === undefined
      ? { mismatches: [{ path: prefix + k, detail: 'is missing' }], error: 0 }
      : compare(g, w, tolerance(k), prefix + k),
  );
  return { mismatches: all.flatMap((x) => x.mismatches), error: Math.max(0, ...all.map((x) => x.error)) };
}

const DTYPE_OF: Record<Exclude<InputKind, 'float' | 'host'>, DType> = { int: 'int32', bool: 'bool' };

/** Traces the case with its inputs as graph inputs, in one float type; returns outputs and gradients as nested numbers. */
async function evaluate(
  vector: DifferentiableVector,
  c: VectorCase,
  float: 'float32' | 'float64',
  run: Float32Runner,
): Promise<{ outputs: Record<string, Json>; unread: string[] }> {
  const reader = caseReader(c);
  const names = Object.keys(c.inputs).filter((k) => reader.has(k) && vector.inputs?.[k] !== 'host');
  const arrays = names.map((k) => {
    const kind = (vector.inputs?.[k] ?? 'float') as Exclude<InputKind, 'host'>;
    return array(withInfinities(c.inputs[k]) as NestedNumbers, kind === 'float' ? float : DTYPE_OF[kind]);
  });
  for (const [name, shape] of Object.entries(vector.extra ?? {})) {
    if (name in c.inputs) continue;
    names.push(name);
    arrays.push(zeros(shape, float));
  }
  const host: Record<string, Json> = {};
  const slots: { path: string[] }[] = [];
  const { graph } = trace(
    (...tensors: Tensor[]) => {
      const inputs = Object.fromEntries(names.map((k, i) => [k, tensors[i]]));
      const results = runOn(vector, inputs, reader);
      const out: Tensor[] = [];
      for (const [k, v] of Object.entries(results)) {
        if (v instanceof Tensor) {
          out.push(v);
          slots.push({ path: [k] });
        } else host[k] = v;
      }
      for (const g of wantedGradients(vector, c)) {
        const y = results[g.output];
        if (!(y instanceof Tensor))
          throw new DecantError('internal', `no output '${g.output}' to differentiate`, { at: c.name });
        const xs = g.inputs.map((name) => {
          if (inputs[name]) return inputs[name];
          throw new DecantError('data', 'a gradient is asked for something that is not an input', {
            seen: name,
          });
        });
        out.push(...gradients(y.rank === 0 ? y : sum(y), xs));
        for (const name of g.inputs) slots.push({ path: g.single ? g.path : [...g.path, name] });
      }
      return out;
    },
    arrays.map((a) => spec(a.shape, a.dtype)),
    names,
  );
  const values = graph.outputs.length > 0 ? await run(graph, arrays) : [];
  const outputs: Record<string, Json> = { ...host };
  slots.forEach(({ path }, i) => {
    let at = outputs as Record<string, unknown>;
    for (const k of path.slice(0, -1)) {
      at[k] ??= {};
      at = at[k] as Record<string, unknown>;
    }
    at[path[path.length - 1]] = toNested(values[i]);
  });
  return { outputs, unread: reader.unread() };
}

/** Runs the function; where it stumbles over an input that the case does not have, the error says which. */
function runOn(vector: DifferentiableVector, inputs: Record<string, Tensor>, reader: CaseReader) {
  const absent = new Set<string>();
  const watched = new Proxy(inputs, {
    get(all, key: string) {
      if (!(key in all)) absent.add(key);
      return all[key];
    },
  });
  try {
    return vector.run(watched, reader);
  } catch (e) {
    if (!(e instanceof TypeError) || absent.size === 0) throw e;
    throw new DecantError('data', 'the case lacks an input', {
      at: `inputs.${[...absent].join(', ')}`,
      allowed: Object.keys(inputs).join(', '),
      cause: e,
    });
  }
}

interface WantedGradient {
  path: string[];
  output: string;
  inputs: string[];
  /** The gradient stands at the path itself, not under its input's name. */
  single?: boolean;
}

/** Gradient entries of the file: `{grads: {x: …}}`, nested by output `{grads: {out: {x: …}}}`, or `out_grads: {x: …}`. */
function wantedGradients(vector: DifferentiableVector, c: VectorCase): WantedGradient[] {
  const outputs = c.outputs as Record<string, Json>;
  const wanted: WantedGradient[] = [];
  for (const [key, value] of Object.entries(outputs)) {
    if (key !== 'grads' && !key.endsWith('_grads')) continue;
    const entries = Object.entries(value as Record<string, Json>);
    const nested = entries.filter(([, v]) => typeof v === 'object' && v !== null && !Array.isArray(v));
    const flat = entries.filter(([, v]) => Array.isArray(v) || typeof v === 'number').map(([k]) => k);
    const fallback = key === 'grads' ? 'loss' : key.slice(0, -'_grads'.length);
    if (vector.gradientsBy !== undefined) {
      const inputs = [vector.gradientsBy];
      for (const output of flat) wanted.push({ path: [key, output], output, inputs, single: true });
    } else if (flat.length > 0)
      wanted.push({ path: [key], output: vector.gradients?.[key] ?? fallback, inputs: flat });
    for (const [output, v] of nested) {
      wanted.push({
        path: [key, output],
        output: vector.gradients?.[output] ?? output,
        inputs: Object.keys(v as object),
      });
    }
  }
  return wanted;
}
