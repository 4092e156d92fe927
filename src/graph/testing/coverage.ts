import { runOrt } from '../../engine/testing/run-ort.ts';
import { isDecantError } from '../../util/errors.ts';
import { createRng } from '../../util/rng.ts';
import { DTYPES, type DType } from '../dtype.ts';
import { full, type NDArray } from '../ndarray.ts';
import { GraphBuilder } from '../onnx/writer.ts';
import type { OpDef } from '../op.ts';
import { OPERATORS } from '../ops/index.ts';
import { isConcrete } from '../shape.ts';
import {
  constantOp,
  input,
  inputOp,
  type Node,
  nodeOutputs,
  type Tensor,
  type TensorType,
} from '../tensor.ts';
import { topologicalNodes } from '../trace.ts';
import { asList, type OpSamples, traced } from './check-op.ts';
import { ELEMENTARY, LAYERS, REPEATS } from './families.ts';
import { gradientsOf } from './samples/gradients-of.ts';

// biome-ignore lint/suspicious/noExplicitAny: operators of every kind
type AnyOp = OpDef<any>;

/** What is known of an operator from its data and its samples. */
export interface OpFacts {
  op: AnyOp;
  /** Where samples use it: in what they compute, in its gradient only, or nowhere. */
  sampled: 'forward' | 'backward' | 'no';
  /** Whether samples check its gradient (of first, of second order) against finite differences. */
  gradientChecked: boolean;
  secondChecked: boolean;
  /** Dtypes of the main operand that its shape rule takes. */
  dtypes: DType[];
  /** ONNX operators it becomes, when only standard ones are allowed; and those of onnxruntime's own. */
  onnx: string[];
  fused: string[];
  /** One use, for trying other dtypes. */
  example?: Node;
}

const allSamples = (): OpSamples[] =>
  [...Object.values(ELEMENTARY), ...Object.values(LAYERS)].flat().filter((s) => !s.op.endsWith(', backward'));

/** Facts of all operators, found by tracing their samples (nothing is run). */
export function operatorFacts(): Map<AnyOp, OpFacts> {
  const facts = new Map<AnyOp, OpFacts>();
  for (const op of Object.values(OPERATORS).flat())
    facts.set(op, {
      op,
      sampled: 'no',
      gradientChecked: false,
      secondChecked: false,
      dtypes: [],
      onnx: [],
      fused: [],
    });
  const see = (s: OpSamples, how: 'forward' | 'backward', owner: OpSamples): void => {
    for (let seed = 0; seed < REPEATS.forward; seed++) {
      const sample = s.make(createRng(`${owner.op}/${seed}`));
      const graph = traced(sample, (...t) => asList(sample.apply(...t)));
      for (const node of topologicalNodes(graph.outputs)) {
        const f = facts.get(node.op);
        if (!f) continue;
        if (f.sampled !== 'forward') f.sampled = how;
        if (how === 'forward' && node.op.vjp !== 'none') {
          f.gradientChecked ||= owner.gradient;
          f.secondChecked ||= owner.smooth;
        }
        if (better(node, f.example)) f.example = node;
        note(f, node, graph.inputs);
      }
    }
  };
  for (const s of allSamples()) see(s, 'forward', s);
  for (const s of allSamples().filter((x) => x.gradient)) see(gradientsOf([s])[0], 'backward', s);
  for (const f of facts.values()) if (f.example) f.dtypes = acceptedDtypes(f.example);
  return facts;
}

/** Examples have concrete, non-empty operands; more axes say more. */
function better(node: Node, old: Node | undefined): boolean {
  if (!node.inputs.every((t) => isConcrete(t.shape) && !t.shape.includes(0))) return false;
  const rank = (n: Node): number => n.types[0].shape.length + (n.inputs[0]?.dtype === 'float32' ? 10 : 0);
  return !old || rank(node) > rank(old);
}

/** Adds the ONNX operators that the node becomes. */
function note(f: OpFacts, node: Node, graphInputs: readonly Tensor[]): void {
  if (node.op === inputOp || node.op === constantOp) return;
  if (!node.types.every((t) => isConcrete(t.shape)) || !node.inputs.every((t) => isConcrete(t.shape))) return;
  for (const standardOnly of [true, false]) {
    const builder = new GraphBuilder(standardOnly);
    for (const t of graphInputs) builder.witness(t.node.attrs.name, t.shape);
    const names = node.inputs.map((_, i) => `x${i}`);
    node.op.emit(builder, names, { attrs: node.attrs, inputs: node.inputs, outputs: node.types });
    for (const { opType, domain } of builder.nodeProtos) {
      const list = domain === '' ? f.onnx : f.fused;
      if ((standardOnly || domain !== '') && !list.includes(opType)) list.push(opType);
    }
  }
}

const ALL = Object.keys(DTYPES) as DType[];
/** The dtype of the main operand, which the others follow. */
const mainDtype = (n: Node): DType =>
  n.inputs.find((t) => t.dtype === 'float32')?.dtype ?? n.inputs[0]?.dtype ?? n.types[0].dtype;

/** The use with its main dtype replaced: operand types and attributes. */
function retyped(n: Node, dtype: DType): { types: TensorType[]; attrs: unknown } {
  const main = mainDtype(n);
  const types = n.inputs.map((t) => ({ shape: t.shape, dtype: t.dtype === main ? dtype : t.dtype }));
  const made = n.inputs.length === 0 && typeof n.attrs === 'object' && 'dtype' in n.attrs;
  return { types, attrs: made ? { ...n.attrs, dtype } : n.attrs };
}

function acceptedDtypes(n: Node): DType[] {
  if (n.op === inputOp || n.op === constantOp) return ALL;
  return ALL.filter((dtype) => {
    const { types, attrs } = retyped(n, dtype);
    try {
      n.op.infer(types, attrs);
      return true;
    } catch (e) {
      if (isDecantError(e)) return false;
      throw e;
    }
  });
}

/** Runs the operator's example in each dtype that it accepts; the dtypes that onnxruntime refuses, with reasons. */
export async function refusals(f: OpFacts): Promise<Map<DType, string>> {
  const out = new Map<DType, string>();
  if (!f.example || f.op === inputOp || f.op === constantOp) return out;
  for (const dtype of f.dtypes) {
    const { types, attrs } = retyped(f.example, dtype);
    const inputs = types.map((t, i) => input(`x${i}`, t.shape, t.dtype));
    const node = nodeOutputs(f.op, inputs, attrs, f.op.infer(inputs, attrs), f.example.origin);
    const main = mainDtype(f.example);
    const values = types.map((t, i): NDArray => {
      const value = f.example!.inputs[i].dtype === main || t.dtype === 'bool' ? 1 : 0;
      return full(t.shape as number[], value, t.dtype);
    });
    try {
      await runOrt({ inputs, outputs: node }, values, { standardOnly: true });
    } catch (e) {
      if (isDecantError(e)) continue; // no model was made: the example depends on symbols of its graph
      out.set(dtype, reason((e as Error).message, dtype));
    }
  }
  return out;
}

function reason(message: string, dtype: DType): string {
  const kernel = /Could not find an implementation for (\w+)/.exec(message)?.[1];
  if (kernel) return `no kernel for ${kernel}`;
  const fusion = /Failed to find kernel for ([\w.]+)/.exec(message)?.[1];
  if (fusion) return `no kernel for ${fusion}, which it fuses this into`;
  const type = /Type '.*?' of (?:input|output) parameter .*? of operator \((\w+)\)/.exec(message)?.[1];
  if (type) return `ONNX's ${type} does not take ${dtype}`;
  const fails = /running (\w+) node/.exec(message)?.[1];
  return fails ? `${fails} fails when it runs` : message.split('\n')[0].slice(0, 120);
}
