import { array } from '../../ndarray.ts';
import { gridSample } from '../../ops/grid-sample.ts';
import { gather } from '../../ops/indexing.ts';
import { matmul } from '../../ops/linear.ts';
import { swapAxes } from '../../ops/shape.ts';
import { isSymbolic, normalizeAxis } from '../../shape.ts';
import { constant, type Tensor } from '../../tensor.ts';
import { FIX_SIZE, type ImportTable, type OpNode } from './node.ts';

/** How one axis is resized. */
interface Axis {
  axis: number;
  size: number;
  out: number;
  /** Output size before it is rounded down: what align_corners stretches to. */
  length: number;
  scale: number;
}

/** Coordinate in the input of coordinate `o` of the output, by `coordinate_transformation_mode`. */
function sourceOf(n: OpNode, mode: string, { size, out, length, scale }: Axis, o: number): number {
  switch (mode) {
    case 'half_pixel':
      return (o + 0.5) / scale - 0.5;
    case 'half_pixel_symmetric': {
      const adjustment = out / (scale * size);
      return (size / 2) * (1 - adjustment) + (o + 0.5) / scale - 0.5;
    }
    case 'pytorch_half_pixel':
      return out > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case 'tf_half_pixel_for_nn':
      return (o + 0.5) / scale;
    case 'asymmetric':
      return o / scale;
    case 'align_corners':
      return out > 1 ? (o * (size - 1)) / (length - 1) : 0;
    default:
      return n.fail(`coordinate_transformation_mode '${mode}' is not supported`);
  }
}

function nearestOf(n: OpNode, mode: string, x: number): number {
  switch (mode) {
    case 'round_prefer_floor':
      return Math.ceil(x - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    default:
      return n.fail(`nearest_mode '${mode}' is not supported`);
  }
}

/** Weights of the input positions around a coordinate: `[position, weight]`. */
function taps(n: OpNode, mode: string, x: number): [number, number][] {
  const base = Math.floor(x);
  const t = x - base;
  if (mode === 'linear')
    return [
      [base, 1 - t],
      [base + 1, t],
    ];
  if (mode !== 'cubic') return n.fail(`mode '${mode}' is not supported`);
  const a = n.float('cubic_coeff_a', -0.75);
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [
    [base - 1, far(t + 1)],
    [base, near(t)],
    [base + 1, near(1 - t)],
    [base + 2, far(2 - t)],
  ];
}

/** The axis by a constant matrix `[out, size]`: interpolation is linear in the image. */
function interpolate(n: OpNode, x: Tensor, a: Axis, mode: string, coordinates: string): Tensor {
  const m = new Float32Array(a.out * a.size);
  const excludeOutside = n.int('exclude_outside', 0) !== 0;
  for (let o = 0; o < a.out; o++) {
    let list = taps(n, mode, sourceOf(n, coordinates, a, o));
    if (excludeOutside) {
      list = list.filter(([p]) => p >= 0 && p < a.size);
      const total = list.reduce((s, [, w]) => s + w, 0);
      list = list.map(([p, w]) => [p, w / total]);
    }
    for (const [p, w] of list) m[o * a.size + Math.min(a.size - 1, Math.max(0, p))] += w;
  }
  const last = swapAxes(x, a.axis, x.rank - 1);
  const matrix = constant(array([...m], x.dtype, [a.out, a.size]));
  return swapAxes(matmul(last, matrix, { transB: true }), a.axis, x.rank - 1);
}

function resize(n: OpNode): Tensor {
  const x = n.tensor(0);
  const legacy = n.opType === 'Upsample' || n.opset < 11;
  const mode = n.string('mode', 'nearest').replace('bilinear', 'linear');
  const coordinates = legacy ? 'asymmetric' : n.string('coordinate_transformation_mode', 'half_pixel');
  const nearest = legacy ? 'floor' : n.string('nearest_mode', 'round_prefer_floor');
  if (n.int('antialias', 0)) return n.fail('antialias is not supported');
  if (n.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch') {
    return n.fail('keep_aspect_ratio_policy is not supported');
  }
  const axes = (n.ints('axes') ?? x.shape.map((_, i) => i)).map((i) => normalizeAxis(i, x.rank));
  const input = legacy ? 1 : 2;
  const given = n.floats('scales') ?? (n.has(input) ? n.numbers(input) : []);
  const scales = given.length > 0 ? given : undefined;
  const sizes = !scales && n.has(3) ? n.numbers(3) : undefined;
  if ((scales ?? sizes)?.length !== axes.length) return n.fail('one scale or size per axis is needed');
  let y = x;
  for (const [i, axis] of axes.entries()) {
    const size = x.shape[axis];
    if (scales?.[i] === 1 || size === sizes?.[i]) continue;
    if (isSymbolic(size))
      return n.fail('a resized axis needs a known size', { seen: size.key, fix: FIX_SIZE });
    const out = sizes ? sizes[i] : Math.floor(size * scales![i]);
    const scale = sizes ? out / size : scales![i];
    const a: Axis = { axis, size, out, length: sizes ? out : size * scale, scale };
    if (mode !== 'nearest') {
      y = interpolate(n, y, a, mode, coordinates);
      continue;
    }
    const at = Array.from({ length: out }, (_, o) => {
      const p = nearestOf(n, nearest, sourceOf(n, coordinates, a, o));
      return Math.min(size - 1, Math.max(0, p));
    });
    y = gather(y, constant(array(at, 'int32', [out])), axis);
  }
  return y;
}

function sampled(n: OpNode): Tensor {
  const mode = n.string('mode', 'bilinear');
  const padding = n.string('padding_mode', 'zeros');
  if (mode !== 'bilinear' && mode !== 'linear')
    return n.fail(`mode '${mode}' is not supported`, { allowed: 'linear' });
  if (padding !== 'zeros' && padding !== 'border') {
    return n.fail(`padding_mode '${padding}' is not supported`, { allowed: 'zeros, border' });
  }
  return gridSample(n.tensor(0), n.tensor(1), { padding, alignCorners: n.int('align_corners', 0) !== 0 });
}

/** Images at other sizes or positions. */
export const resampling: ImportTable = { Resize: resize, Upsample: resize, GridSample: sampled };
