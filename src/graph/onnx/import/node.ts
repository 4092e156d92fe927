import { type AttributeProto, AttributeProto_AttributeType as AttrType, type NodeProto } from 'onnx-buf';
import { DecantError } from '../../../util/errors.ts';
import { DTYPES, type DType } from '../../dtype.ts';
import type { NDArray } from '../../ndarray.ts';
import {
  type Dim,
  dimDivide,
  dimKey,
  dimProduct,
  isSymbolic,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  showShape,
} from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { ExternalData } from '../external.ts';
import { nodeLabel } from './decode.ts';
import { importedDType, tensorData } from './tensor-data.ts';
import { knownElements, type Value } from './value.ts';

/** What an importer returns: one output, or all of them (undefined for one that is not offered). */
export type Outputs = Tensor | Value | readonly (Tensor | Value | undefined)[];
export type Importer = (n: OpNode) => Outputs;
/** ONNX operator to the function that builds it. */
export type ImportTable = Readonly<Record<string, Importer>>;

const utf8 = new TextDecoder();

/** A node while it is imported: typed access to its inputs and attributes, errors that name it. */
export class OpNode {
  readonly opType: string;
  readonly label: string;
  readonly opset: number;
  readonly inputCount: number;
  readonly outputCount: number;
  private readonly proto: NodeProto;
  private readonly inputs: readonly (Value | undefined)[];
  private readonly attributes: ReadonlyMap<string, AttributeProto>;
  private readonly files: ExternalData | undefined;

  constructor(proto: NodeProto, inputs: readonly (Value | undefined)[], opset: number, files?: ExternalData) {
    this.proto = proto;
    this.inputs = inputs;
    this.opset = opset;
    this.files = files;
    this.opType = proto.opType;
    this.label = nodeLabel(proto);
    this.inputCount = inputs.length;
    this.outputCount = proto.output.length;
    this.attributes = new Map(proto.attribute.map((a) => [a.name, a]));
  }

  fail(what: string, details: object = {}): never {
    throw new DecantError('model', what, details);
  }

  // --- inputs ---

  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }
  wants(output: number): boolean {
    return (this.proto.output[output] ?? '') !== '';
  }
  value(i: number): Value {
    return this.inputs[i] ?? this.fail(`input ${i} is missing`);
  }
  /** TensorProto.DataType of an input, where the file says it. */
  onnxType(i: number): number {
    const v = this.value(i);
    return v.onnxType ?? DTYPES[v.dtype].onnx;
  }
  tensor(i: number): Tensor {
    return this.value(i).tensor;
  }
  optional(i: number): Tensor | undefined {
    return this.inputs[i]?.tensor;
  }
  tensors(): Tensor[] {
    return this.inputs.map((_, i) => this.tensor(i));
  }

  /** Elements of an input that must be known: sizes, axes, repeats. */
  dims(i: number): readonly Dim[] {
    const k = knownElements(this.value(i));
    return (
      k?.elements ??
      this.fail(`input ${i} (${this.proto.input[i]}) is computed from data; it must follow from shapes`, {
        fix: 'export the model with that value fixed',
      })
    );
  }
  /** Like {@link dims}, all of them numbers. */
  numbers(i: number): number[] {
    return this.dims(i).map((d) =>
      typeof d === 'number'
        ? d
        : this.fail(`input ${i} must be a number`, { seen: dimKey(d), fix: FIX_SIZE }),
    );
  }
  scalar(i: number): number {
    const list = this.numbers(i);
    return list.length === 1 ? list[0] : this.fail(`input ${i} must have one element`, { seen: list.length });
  }

  // --- attributes ---

  private attr(name: string, type: AttrType): AttributeProto | undefined {
    const a = this.attributes.get(name);
    if (a?.refAttrName) this.fail('attribute references belong in functions', { at: name });
    // models of the first IR version have no types
    if (a && a.type !== type && a.type !== AttrType.UNDEFINED) {
      this.fail(`attribute '${name}' has the wrong type`, {
        seen: AttrType[a.type],
        allowed: AttrType[type],
      });
    }
    return a;
  }
  hasAttr(name: string): boolean {
    return this.attributes.has(name);
  }
  int(name: string, fallback?: number): number {
    const a = this.attr(name, AttrType.INT);
    const n = a ? Number(a.i) : fallback;
    return n ?? this.fail(`attribute '${name}' is missing`);
  }
  float(name: string, fallback: number): number {
    return this.attr(name, AttrType.FLOAT)?.f ?? fallback;
  }
  string(name: string, fallback: string): string {
    const a = this.attr(name, AttrType.STRING);
    return a ? utf8.decode(a.s) : fallback;
  }
  ints(name: string): number[] | undefined {
    return this.attr(name, AttrType.INTS)?.ints.map(Number);
  }
  floats(name: string): number[] | undefined {
    return this.attr(name, AttrType.FLOATS)?.floats;
  }
  array(name: string): NDArray | undefined {
    const t = this.attr(name, AttrType.TENSOR)?.t;
    return t && tensorData(t, this.files);
  }
  arrayType(name: string): number | undefined {
    return this.attr(name, AttrType.TENSOR)?.t?.dataType;
  }
  dtypeAttr(name: string, fallback?: DType): DType {
    return fallback !== undefined && !this.hasAttr(name) ? fallback : importedDType(this.int(name), name);
  }

  /** A list that is an attribute in older operator sets and input `i` in newer ones. */
  listArg(name: string, i: number): readonly Dim[] | undefined {
    return this.ints(name) ?? (this.has(i) ? this.dims(i) : undefined);
  }
  numbersArg(name: string, i: number): number[] | undefined {
    return this.ints(name) ?? (this.has(i) ? this.numbers(i) : undefined);
  }
  /** A number that is a float attribute in older operator sets and input `i` in newer ones. */
  numberArg(name: string, i: number, fallback: number): number {
    if (this.has(i)) return this.scalar(i);
    return this.float(name, fallback);
  }

  // --- arguments shared by importers and shape folding ---

  axesArg(rank: number): number[] {
    const axes = this.numbersArg('axes', 1);
    if (axes === undefined || axes.length === 0) {
      return this.int('noop_with_empty_axes', 0) ? [] : normalizeAxes(undefined, rank);
    }
    return normalizeAxes(axes, rank);
  }

  squeezed(shape: Shape): Shape {
    const axes = this.numbersArg('axes', 1);
    const drop = axes ? normalizeAxes(axes, shape.length) : shape.flatMap((d, i) => (d === 1 ? [i] : []));
    for (const a of drop) {
      if (shape[a] !== 1) this.fail(`axis ${a} of ${showShape(shape)} is not of size 1`, { fix: FIX_SIZE });
    }
    return shape.filter((_, i) => !drop.includes(i));
  }

  unsqueezed(shape: Shape): Shape {
    const axes = this.numbersArg('axes', 1) ?? this.fail(`attribute 'axes' is missing`);
    const rank = shape.length + axes.length;
    const added = normalizeAxes(axes, rank);
    if (added.length !== axes.length) this.fail('an axis is named twice', { seen: axes });
    const rest = [...shape];
    return Array.from({ length: rank }, (_, i) => (added.includes(i) ? 1 : rest.shift()!));
  }

  flattened(shape: Shape): Shape {
    const raw = this.int('axis', 1);
    const axis = raw === shape.length ? raw : normalizeAxis(raw, shape.length);
    return [dimProduct(shape.slice(0, axis)), dimProduct(shape.slice(axis))];
  }

  /** The target of a Reshape: 0 copies a size (unless allowzero), -1 is found from the others. */
  reshaped(shape: Shape, target: readonly Dim[]): Shape {
    const out = target.map((d, i) =>
      d === 0 && !this.int('allowzero', 0)
        ? (shape[i] ??
          this.fail('0 in the target of a reshape copies an axis that does not exist', { at: `axis ${i}` }))
        : d,
    );
    const open = out.indexOf(-1);
    if (open < 0) return out;
    const rest = dimProduct(out.filter((_, i) => i !== open));
    const found = dimEqualsZero(rest) ? undefined : dimDivide(dimProduct(shape), rest);
    out[open] =
      found ??
      this.fail(`cannot reshape ${showShape(shape)} to ${showShape(out)}: -1 has no exact size`, {
        fix: FIX_SIZE,
      });
    return out;
  }

  sliceArgs(rank: number): { starts: readonly Dim[]; ends: readonly Dim[]; axes: number[]; steps: number[] } {
    const starts = this.listArg('starts', 1) ?? this.fail('starts are missing');
    const ends = this.listArg('ends', 2) ?? this.fail('ends are missing');
    const axes = this.numbersArg('axes', 3) ?? starts.map((_, i) => i);
    const steps = this.has(4) ? this.numbers(4) : starts.map(() => 1);
    if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length) {
      this.fail('starts, ends, axes and steps differ in length');
    }
    if (steps.includes(0)) this.fail('a step of a slice is 0');
    return { starts, ends, axes: axes.map((a) => normalizeAxis(a, rank)), steps };
  }

  /** Sizes of the parts of an axis: given, or as equal as `num_outputs` parts can be. */
  splitSizes(size: Dim): readonly Dim[] {
    const given = this.listArg('split', 1);
    if (given) return given;
    const parts = this.int('num_outputs', this.outputCount);
    const exact = dimDivide(size, parts);
    if (exact !== undefined) return Array.from({ length: parts }, () => exact);
    if (isSymbolic(size))
      return this.fail(`cannot split ${dimKey(size)} into ${parts} equal parts`, { fix: FIX_SIZE });
    const each = Math.ceil(size / parts);
    return Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(each, size - i * each)));
  }
}

const dimEqualsZero = (d: Dim): boolean => d === 0;

export const FIX_SIZE = 'bind the symbolic dimension to a size: dims: { name: size }';
