import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { EmitContext, Emitter, OpDef, RefArray } from '../op.ts';
import { broadcastShapes, type Dim, dimEquals, dimKey, dimProduct, type Shape } from '../shape.ts';
import { apply, type Tensor, type TensorType } from '../tensor.ts';
import { reshape } from './basic.ts';
import { gemm } from './gemm.ts';
import { broadcastStrides, eachOffset, sizeOf } from './kernels.ts';
import { sum, sumTo } from './reduce.ts';

export interface MatmulAttrs {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly scale: number;
}

const last = (s: Shape, trans: boolean): [Dim, Dim] => {
  const [r, c] = [s[s.length - 2], s[s.length - 1]];
  return trans ? [c, r] : [r, c];
};

function inferMatmul([a, b]: readonly TensorType[], { transA, transB }: MatmulAttrs): TensorType {
  if (a.dtype !== b.dtype || a.dtype === 'bool') {
    throw new DecantError('shape', 'operands must have one number type', {
      seen: `${a.dtype} and ${b.dtype}`,
      fix: 'cast one of them',
    });
  }
  if (a.shape.length < 2 || b.shape.length < 2)
    throw new DecantError('shape', 'operands must be matrices or batches of them');
  const [m, ka] = last(a.shape, transA);
  const [kb, n] = last(b.shape, transB);
  if (!dimEquals(ka, kb)) {
    throw new DecantError('shape', 'the contracted sizes differ', {
      seen: `${dimKey(ka)} against ${dimKey(kb)}${transA ? ', transA' : ''}${transB ? ', transB' : ''}`,
      allowed: 'equal sizes',
    });
  }
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return { shape: [...batch, m, n], dtype: a.dtype };
}

function evaluateMatmul([a, b]: readonly RefArray[], attrs: MatmulAttrs, shape: readonly number[]) {
  const out = new Float64Array(sizeOf(shape));
  const rank = shape.length;
  const [m, n] = [shape[rank - 2], shape[rank - 1]];
  const aCols = a.shape[a.shape.length - 1];
  const bCols = b.shape[b.shape.length - 1];
  const k = attrs.transA ? a.shape[a.shape.length - 2] : aCols;
  const batch = shape.slice(0, -2);
  const strides = [a, b].map((x) => broadcastStrides(x.shape.slice(0, -2), batch));
  eachOffset(batch, strides, (i, [pa, pb]) => {
    const [ra, ca] = attrs.transA ? [1, aCols] : [aCols, 1];
    const [rb, cb] = attrs.transB ? [1, bCols] : [bCols, 1];
    gemm(
      m,
      n,
      k,
      { data: a.data, offset: pa * m * k, row: ra, col: ca },
      { data: b.data, offset: pb * k * n, row: rb, col: cb },
      out,
      i * m * n,
      attrs.scale,
    );
  });
  return out;
}

/** Swaps the last two axes. */
function emitSwap(e: Emitter, x: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return e.node('Transpose', [x], { perm });
}

function emitMatmul(e: Emitter, [a, b]: readonly string[], ctx: EmitContext<MatmulAttrs>): string {
  const { transA, transB, scale } = ctx.attrs;
  const [ta, tb] = ctx.inputs;
  const plain = !transA && !transB && scale === 1;
  if (plain) return e.node('MatMul', [a, b]);
  const float = isFloat(ta.dtype);
  // Gemm has no kernel for integers and does not take batches
  if (float && ta.shape.length === 2 && tb.shape.length === 2) {
    return e.node('Gemm', [a, b], {
      transA: transA ? 1 : 0,
      transB: transB ? 1 : 0,
      alpha: { float: scale },
    });
  }
  if (float && !e.standardOnly) {
    return e.node(
      'FusedMatMul',
      [a, b],
      { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: scale } },
      'com.microsoft',
    );
  }
  const x = transA ? emitSwap(e, a, ta.shape.length) : a;
  const y = transB ? emitSwap(e, b, tb.shape.length) : b;
  const product = e.node('MatMul', [x, y]);
  return scale === 1 ? product : e.node('Mul', [product, e.scalar(scale, ta.dtype)]);
}

export const matmulOp: OpDef<MatmulAttrs> = {
  name: 'matmul',
  doc: 'scale · op(a) · op(b) over the last two axes, op transposing or not; leading axes broadcast',
  infer: (inputs, attrs) => [inferMatmul(inputs, attrs)],
  evaluate: (inputs, { attrs, types }) => [evaluateMatmul(inputs, attrs, types[0].shape)],
  vjp: ({ inputs: [a, b], attrs: { transA, transB, scale }, grads: [g], needs }) => {
    const product = (x: Tensor, y: Tensor, tx: boolean, ty: boolean): Tensor =>
      matmul(x, y, { transA: tx, transB: ty, scale });
    const da = (): Tensor => (transA ? product(b, g!, transB, true) : product(g!, b, false, !transB));
    const db = (): Tensor => (transB ? product(g!, a, true, transA) : product(a, g!, !transA, false));
    return [needs(0) ? sumTo(da(), a.shape) : undefined, needs(1) ? sumTo(db(), b.shape) : undefined];
  },
  emit: (e, inputs, ctx) => [emitMatmul(e, inputs, ctx)],
};

export interface MatmulOptions {
  /** Transpose the last two axes of `a` (of `b`): free, no copy is made. */
  transA?: boolean;
  transB?: boolean;
  /** Factor of the product, for example 1/√d of attention. */
  scale?: number;
}

/**
 * scale · a · b: `[..., m, k] × [..., k, n] → [..., m, n]`, leading axes broadcast; vectors as in NumPy.
 * `[..., k] × [k, n]` is one product over all rows, and so are its gradients.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transA = false, transB = false, scale = 1 } = options;
  if (a.rank === 1 || b.rank === 1) {
    const row = a.rank === 1 ? reshape(a, transA ? [a.shape[0], 1] : [1, a.shape[0]]) : a;
    const col = b.rank === 1 ? reshape(b, transB ? [1, b.shape[0]] : [b.shape[0], 1]) : b;
    const y = matmul(row, col, options);
    const keep = y.shape.filter(
      (_, i) => !(a.rank === 1 && i === y.rank - 2) && !(b.rank === 1 && i === y.rank - 1),
    );
    return reshape(y, keep);
  }
  const attrs = { transA, transB, scale };
  const flatB = b.shape.slice(0, -2).every((d) => d === 1);
  if (a.rank > 2 && flatB && !transA) {
    const k = a.shape[a.rank - 1];
    const rows = reshape(a, [dimProduct(a.shape.slice(0, -1)), k]);
    const y = apply(matmulOp, [rows, reshape(b, b.shape.slice(-2))], attrs);
    const lead = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return reshape(y, [...lead, a.shape[a.rank - 2], y.shape[1]]);
  }
  return apply(matmulOp, [a, b], attrs);
}

export interface LinearAttrs {
  readonly transW: boolean;
}

export const linearOp: OpDef<LinearAttrs> = {
  name: 'linear',
  doc: 'x · w + b for rows x [r, k], w [k, n] (or [n, k] transposed), b [n]',
  infer: ([x, w, b], { transW }) => {
    const y = inferMatmul([x, w], { transA: false, transB: transW, scale: 1 });
    if (b.dtype !== x.dtype || b.shape.length !== 1 || !dimEquals(b.shape[0], y.shape[1])) {
      throw new DecantError('shape', 'the bias does not fit', {
        seen: `${b.dtype}[${b.shape.map(dimKey)}]`,
        allowed: `${x.dtype}[${dimKey(y.shape[1])}]`,
      });
    }
    return [y];
  },
  evaluate: ([x, w, b], { attrs, types: [t] }) => {
    const out = evaluateMatmul([x, w], { transA: false, transB: attrs.transW, scale: 1 }, t.shape);
    const n = t.shape[1];
    for (let i = 0; i < out.length; i++) out[i] += b.data[i % n];
    return [out];
  },
  vjp: ({ inputs: [x, w], attrs: { transW }, grads: [g], needs }) => [
    needs(0) ? matmul(g!, w, { transB: !transW }) : undefined,
    needs(1) ? (transW ? matmul(g!, x, { transA: true }) : matmul(x, g!, { transA: true })) : undefined,
    needs(2) ? sum(g!, 0) : undefined,
  ],
  emit: (e, inputs, { attrs, inputs: [x] }) => {
    if (isFloat(x.dtype)) return [e.node('Gemm', inputs, attrs.transW ? { transB: 1 } : {})];
    const w = attrs.transW ? emitSwap(e, inputs[1], 2) : inputs[1];
    return [e.node('Add', [e.node('MatMul', [inputs[0], w]), inputs[2]])];
  },
};

/** x · w + b: `[..., k] × [k, n] + [n] → [..., n]`; with `transW` the weight is `[n, k]`, as checkpoints store it. */
export function linear(x: Tensor, w: Tensor, b?: Tensor, { transW = false } = {}): Tensor {
  if (w.rank !== 2) {
    throw new DecantError('shape', 'linear: the weight must be a matrix', { seen: w.toString() });
  }
  if (b === undefined) return matmul(x, w, { transB: transW });
  const k = x.shape[x.rank - 1];
  const rows = x.rank === 2 ? x : reshape(x, [dimProduct(x.shape.slice(0, -1)), k]);
  const y = apply(linearOp, [rows, w, b], { transW });
  return x.rank === 2 ? y : reshape(y, [...x.shape.slice(0, -1), y.shape[1]]);
}
