import { array, item, scalar } from '../../ndarray.ts';
import { add, mul } from '../../ops/arithmetic.ts';
import { broadcastTo, fill, reshape } from '../../ops/basic.ts';
import { cast } from '../../ops/compare.ts';
import { gather } from '../../ops/indexing.ts';
import { pad } from '../../ops/padding.ts';
import { expandDims, squeeze, tile, transpose, tril, triu } from '../../ops/shape.ts';
import { arange } from '../../ops/sizes.ts';
import { concat, slice, split } from '../../ops/slicing.ts';
import {
  broadcastShapes,
  type Dim,
  dimDivide,
  dimMul,
  dimProduct,
  dimSub,
  isConcrete,
  isSymbolic,
  normalizeAxis,
  type Shape,
} from '../../shape.ts';
import { constant, type Tensor } from '../../tensor.ts';
import { signOf } from './fold.ts';
import { FIX_SIZE, type ImportTable, type OpNode } from './node.ts';
import { constantValue, knownValue, type Value } from './value.ts';

const FAR = 2 ** 31 - 1;

function shapeOf(n: OpNode): Value {
  const { shape } = n.value(0);
  const rank = shape.length;
  const clamp = (v: number): number => Math.min(rank, Math.max(0, v < 0 ? v + rank : v));
  const sizes = shape.slice(clamp(n.int('start', 0)), clamp(n.int('end', rank)));
  return knownValue(sizes, [sizes.length], 'int32');
}

function constantOf(n: OpNode): Value {
  const tensor = n.array('value');
  if (tensor) return constantValue(tensor, n.arrayType('value'));
  if (n.hasAttr('value_float')) return constantValue(scalar(n.float('value_float', 0)));
  if (n.hasAttr('value_int')) return constantValue(scalar(n.int('value_int'), 'int32'));
  const list = n.floats('value_floats') ?? [];
  if (list.length > 0) return constantValue(array(list, 'float32', [list.length]));
  const ints = n.ints('value_ints');
  if (ints)
    return constantValue(
      array(
        ints.map((v) => Math.max(-FAR, Math.min(FAR, v))),
        'int32',
        [ints.length],
      ),
    );
  return n.fail('a constant of this kind is not supported');
}

function filled(n: OpNode): Tensor | Value {
  const shape = n.dims(0);
  const value = n.array('value') ?? scalar(0);
  const x = item(value);
  if (isConcrete(shape) && shape.length <= 1 && (dimProduct(shape) as number) <= 64) {
    return knownValue(Array<number>(dimProduct(shape) as number).fill(x), shape, value.dtype);
  }
  return fill(shape, x, value.dtype);
}

/** start, start + step, … while below the limit. The number of elements may be symbolic, start and step may not. */
function range(n: OpNode): Tensor | Value {
  const { dtype } = n.value(0);
  const [start, limit, step] = [0, 1, 2].map((i) => n.dims(i)[0]);
  if (typeof step !== 'number' || step === 0)
    return n.fail('the step of a range must be a number other than 0');
  const span = dimSub(limit, start);
  const count: Dim | undefined =
    typeof span === 'number' ? Math.max(0, Math.ceil(span / step)) : dimDivide(span, step);
  if (count === undefined) return n.fail('the length of a range has no exact size', { fix: FIX_SIZE });
  if (typeof start === 'number' && typeof count === 'number' && count <= 1024) {
    return knownValue(
      Array.from({ length: count }, (_, i) => start + i * step),
      [count],
      dtype,
    );
  }
  if (typeof start === 'number') return arange(count, { start, step, dtype });
  return add(n.tensor(0), mul(arange(count, { dtype }), step));
}

function sliced(n: OpNode): Tensor {
  const x = n.tensor(0);
  const { starts, ends, axes, steps } = n.sliceArgs(x.rank);
  return slice(x, {
    // beyond every end
    starts: starts.map((d, i) =>
      d === FAR && isSymbolic(x.shape[axes[i]]) ? dimSub(x.shape[axes[i]], 1) : d,
    ),
    ends: ends.map((d) => (typeof d === 'number' && Math.abs(d) >= FAR - 1 ? undefined : d)),
    axes,
    steps,
  });
}

function padded(n: OpNode): Tensor {
  const x = n.tensor(0);
  const sizes = n.listArg('pads', 1) ?? n.ints('paddings') ?? n.fail('pads are missing');
  const axes = n.has(3) ? n.numbers(3).map((a) => normalizeAxis(a, x.rank)) : x.shape.map((_, i) => i);
  if (sizes.length !== 2 * axes.length) n.fail('pads need two sizes per axis', { seen: sizes.length });
  const mode = n.string('mode', 'constant');
  if (mode !== 'constant' && mode !== 'reflect' && mode !== 'edge')
    return n.fail(`mode '${mode}' is not supported`);
  const value = mode === 'constant' ? n.numberArg('value', 2, 0) : 0;
  const pairs = x.shape.map((_, a): [Dim, Dim] => {
    const i = axes.indexOf(a);
    return i < 0 ? [0, 0] : [sizes[i], sizes[i + axes.length]];
  });
  // negative pads cut
  const below = (d: Dim): boolean => signOf(d) === -1;
  const cutAxes = pairs.flatMap((p, a) => (p.some(below) ? [a] : []));
  const keep = (d: Dim): Dim => (below(d) ? 0 : d);
  const inner = slice(x, {
    axes: cutAxes,
    starts: cutAxes.map((a) => (below(pairs[a][0]) ? dimMul(pairs[a][0], -1) : 0)),
    ends: cutAxes.map((a) => (below(pairs[a][1]) ? pairs[a][1] : undefined)),
  });
  return pad(
    inner,
    pairs.map(([b, a]) => [keep(b), keep(a)]),
    { mode, value },
  );
}

/** Blocks of channels to space, or back: reshape, transpose, reshape. */
function depthToSpace(n: OpNode): Tensor {
  const x = n.tensor(0);
  const b = n.int('blocksize');
  const [batch, channels, h, w] = x.shape;
  const depth = dimDivide(channels, b * b) ?? n.fail('the channels are no multiple of blocksize²');
  const columnsFirst = n.string('mode', 'DCR') === 'CRD';
  const wide = reshape(x, columnsFirst ? [batch, depth, b, b, h, w] : [batch, b, b, depth, h, w]);
  const turned = transpose(wide, columnsFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]);
  return reshape(turned, [batch, depth, dimMul(h, b), dimMul(w, b)]);
}

function spaceToDepth(n: OpNode): Tensor {
  const x = n.tensor(0);
  const b = n.int('blocksize');
  const [batch, channels, h, w] = x.shape;
  const part = (d: Dim): Dim =>
    dimDivide(d, b) ?? n.fail('the image is no multiple of blocksize', { fix: FIX_SIZE });
  const wide = reshape(x, [batch, channels, part(h), b, part(w), b]);
  const columnsFirst = n.string('mode', 'DCR') === 'CRD';
  const turned = transpose(wide, columnsFirst ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]);
  return reshape(turned, [batch, dimMul(channels, b * b), part(h), part(w)]);
}

function eyeLike(n: OpNode): Tensor {
  const { shape, dtype } = n.value(0);
  if (shape.length !== 2 || !isConcrete(shape))
    return n.fail('an identity matrix needs a known shape', { fix: FIX_SIZE });
  const [rows, columns] = shape;
  const k = n.int('k', 0);
  const data = Array.from({ length: rows * columns }, (_, i) =>
    Number((i % columns) - Math.floor(i / columns) === k),
  );
  return constant(array(data, n.dtypeAttr('dtype', dtype), shape));
}

/** Slices of an axis that a known mask selects. */
function compress(n: OpNode): Tensor {
  const at = n.numbers(1).flatMap((v, i) => (v ? [i] : []));
  const x = n.tensor(0);
  const positions = constant(array(at, 'int32', [at.length]));
  if (!n.hasAttr('axis')) return gather(reshape(x, [dimProduct(x.shape)]), positions, 0);
  return gather(x, positions, n.int('axis'));
}

function triangle(n: OpNode): Tensor {
  const x = n.tensor(0);
  const k = n.has(1) ? n.scalar(1) : 0;
  const part = x.dtype === 'bool' ? cast(x, 'int32') : x;
  return cast(n.int('upper', 1) ? triu(part, k) : tril(part, k), x.dtype);
}

/** Operators that move or shape elements, and constants. */
export const shapes: ImportTable = {
  Shape: shapeOf,
  Size: (n) => knownValue([dimProduct(n.value(0).shape)], [], 'int32'),
  Constant: constantOf,
  ConstantOfShape: filled,
  Range: range,
  EyeLike: eyeLike,
  Reshape(n) {
    const x = n.tensor(0);
    return reshape(x, n.reshaped(x.shape, n.listArg('shape', 1) ?? n.fail('the shape is missing')));
  },
  Flatten: (n) => reshape(n.tensor(0), n.flattened(n.value(0).shape)),
  Squeeze(n) {
    const x = n.tensor(0);
    const kept = n.squeezed(x.shape);
    const axes = n.numbersArg('axes', 1);
    return kept.length === x.rank ? x : squeeze(x, axes);
  },
  Unsqueeze(n) {
    const x = n.tensor(0);
    n.unsqueezed(x.shape);
    return expandDims(x, n.numbersArg('axes', 1)!);
  },
  Transpose: (n) => transpose(n.tensor(0), n.ints('perm')),
  Expand(n) {
    const x = n.tensor(0);
    const target: Shape = broadcastShapes(x.shape, n.dims(1));
    return broadcastTo(x, target);
  },
  Tile: (n) => tile(n.tensor(0), n.numbersArg('repeats', 1) ?? n.fail('repeats are missing')),
  Concat: (n) => concat(n.tensors(), n.int('axis')),
  Split(n) {
    const x = n.tensor(0);
    const axis = normalizeAxis(n.int('axis', 0), x.rank);
    return split(x, n.splitSizes(x.shape[axis]), axis);
  },
  Slice: sliced,
  Pad: padded,
  Trilu: triangle,
  Compress: compress,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
