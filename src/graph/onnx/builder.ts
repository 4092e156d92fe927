import { create } from '@bufbuild/protobuf';
import {
  type GraphProto,
  GraphProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { DecantError } from '../../util/errors.ts';
import { DTYPES, type DType } from '../dtype.ts';
import { array, type NDArray } from '../ndarray.ts';
import type { Emitter, OnnxAttr } from '../op.ts';
import { type Dim, dimKey, dimTerms, isConcrete, isSymbolic, type Shape, symbolName } from '../shape.ts';
import { attribute, tensorProto } from './proto.ts';

/** ONNX operator set that Decant writes. */
export const OPSET = 21;

/**
 * What a model (or the body of a Loop or If) consists of while it is emitted: nodes, shared initializers, and
 * where the size of each symbol can be read.
 */
export class GraphBuilder implements Emitter {
  readonly standardOnly: boolean;
  readonly opset = OPSET;
  readonly nodeProtos: NodeProto[] = [];
  /** Of the outermost graph: the bodies share them, since ONNX lets a body see the values around it. */
  readonly initializers: TensorProto[];
  private readonly shared = new Map<string, string>();
  private readonly witnesses = new Map<string, { input: string; axis: number }>();
  private readonly domainSet: Set<string>;
  private readonly taken: Set<string>;
  private readonly counters: Map<string, number>;
  private readonly parent: GraphBuilder | undefined;

  constructor(standardOnly: boolean, parent?: GraphBuilder) {
    this.standardOnly = standardOnly;
    this.parent = parent;
    this.initializers = parent?.initializers ?? [];
    this.domainSet = parent?.domainSet ?? new Set();
    this.taken = parent?.taken ?? new Set();
    this.counters = parent?.counters ?? new Map();
  }

  /** Operator domains other than the standard one that occur, bodies included. */
  get domains(): string[] {
    return [...this.domainSet].sort();
  }

  /** A builder for the body of a Loop, Scan or If node of this graph; names stay unique over both. */
  body(): GraphBuilder {
    return new GraphBuilder(this.standardOnly, this);
  }

  /** The finished body; give it to `node` as the attribute `{ graph }`. */
  bodyProto(name: string, inputs: readonly ValueInfoProto[], outputs: readonly ValueInfoProto[]): GraphProto {
    return create(GraphProtoSchema, {
      name,
      node: this.nodeProtos,
      input: [...inputs],
      output: [...outputs],
    });
  }

  /** Keeps `fresh` from using a name. */
  reserve(name: string): void {
    this.taken.add(name);
  }

  /** Says that axis `axis` of value `name` has the size of a symbol. */
  witness(name: string, shape: Shape): void {
    shape.forEach((d, axis) => {
      const s = symbolName(d);
      if (s !== undefined && !this.witnesses.has(s)) this.witnesses.set(s, { input: name, axis });
    });
  }

  fresh(hint: string): string {
    let n = this.counters.get(hint) ?? 0;
    while (this.taken.has(`${hint}_${n}`)) n++;
    this.counters.set(hint, n + 1);
    return `${hint}_${n}`;
  }

  node(opType: string, inputs: readonly string[], attrs: Record<string, OnnxAttr> = {}, domain = ''): string {
    return this.nodes(opType, inputs, 1, attrs, domain)[0];
  }

  nodes(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attrs: Record<string, OnnxAttr> = {},
    domain = '',
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.fresh(opType));
    this.append(opType, inputs, names, attrs, domain);
    return names;
  }

  /** Appends a node whose outputs have given names. */
  append(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attrs: Record<string, OnnxAttr> = {},
    domain = '',
  ): void {
    if (domain !== '') this.domainSet.add(domain);
    this.nodeProtos.push(
      create(NodeProtoSchema, {
        opType,
        domain,
        name: outputs[0],
        input: [...inputs],
        output: [...outputs],
        attribute: Object.entries(attrs).map(([k, v]) => attribute(k, v)),
      }),
    );
  }

  constant(value: NDArray): string {
    if (this.parent) return this.parent.constant(value);
    const small = value.data.byteLength <= 64;
    const key = small
      ? `${value.dtype}|${value.shape}|${Array.from(value.data as ArrayLike<number>, (v) => (Object.is(v, -0) ? '-0' : String(v)))}`
      : '';
    const known = small ? this.shared.get(key) : undefined;
    if (known !== undefined) return known;
    const name = this.fresh('const');
    this.initializers.push(tensorProto(name, value));
    if (small) this.shared.set(key, name);
    return name;
  }

  int64(values: readonly number[]): string {
    return this.constant(array(values, 'int64', [values.length]));
  }

  scalar(value: number, dtype: DType): string {
    return this.constant(array(value, dtype, []));
  }

  dim(d: Dim): string {
    if (!isSymbolic(d)) return this.scalar(d, 'int64');
    return this.once(`dim:${dimKey(d)}`, () => {
      const products = dimTerms(d).map(({ coefficient, factors }) => {
        const parts = factors.map((f) =>
          'symbol' in f ? this.symbolSize(f.symbol) : this.floorDivision(f.floorOf, f.by),
        );
        if (coefficient !== 1 || parts.length === 0) parts.push(this.scalar(coefficient, 'int64'));
        return parts.reduce((a, b) => this.node('Mul', [a, b]));
      });
      return products.reduce((a, b) => this.node('Add', [a, b]));
    });
  }

  // ONNX's integer Div truncates, which is floor for the non-negative numerators that sizes are; below zero
  // (a window larger than its input) the size would be invalid anyway.
  private floorDivision(a: Dim, b: Dim): string {
    return this.node('Div', [this.dim(a), this.dim(b)]);
  }

  private symbolSize(symbol: string): string {
    const w = this.witnesses.get(symbol);
    if (!w && this.parent) return this.parent.symbolSize(symbol);
    return this.once(`symbol:${symbol}`, () => {
      if (!w) {
        throw new DecantError('shape', `the symbolic dimension '${symbol}' is the size of no input axis`, {
          fix: `give an input an axis of size '${symbol}'`,
        });
      }
      const size = this.node('Shape', [w.input], { start: w.axis, end: w.axis + 1 });
      return this.node('Squeeze', [size, this.int64([0])]);
    });
  }

  shape(shape: Shape): string {
    if (isConcrete(shape)) return this.int64(shape);
    return this.once(`shape:${shape.map(dimKey).join()}`, () => {
      const parts = shape.map((d) =>
        isSymbolic(d) ? this.node('Unsqueeze', [this.dim(d), this.int64([0])]) : this.int64([d]),
      );
      return parts.length === 1 ? parts[0] : this.node('Concat', parts, { axis: 0 });
    });
  }

  reshapeTarget(shape: Shape): string {
    // with allowzero=1 a -1 may not stand beside a 0
    const open = shape.filter(isSymbolic).length;
    if (open === 1 && !shape.includes(0)) return this.int64(shape.map((d) => (isSymbolic(d) ? -1 : d)));
    return this.shape(shape);
  }

  cast(x: string, to: DType): string {
    return this.node('Cast', [x], { to: DTYPES[to].onnx });
  }

  private once(key: string, make: () => string): string {
    let name = this.shared.get(key);
    if (name === undefined) {
      name = make();
      this.shared.set(key, name);
    }
    return name;
  }
}
