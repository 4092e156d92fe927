import { DecantError } from '../../util/errors.ts';
import { type DType, isFloat } from '../dtype.ts';
import type { Emitter, OpDef, VjpContext } from '../op.ts';
import { apply, type Tensor } from '../tensor.ts';
import { mapUnary } from './kernels.ts';

interface UnarySpec<A> {
  name: string;
  doc: string;
  f: (v: number, attrs: A) => number;
  /** ∂y/∂x · g from x, y and g; none for piecewise constant functions. */
  back?: (x: Tensor, y: Tensor, g: Tensor, attrs: A) => Tensor;
  emit: string | ((e: Emitter, x: string, dtype: DType, attrs: A) => string);
  /** Also for signed integers; else floats only. */
  ints?: boolean;
}

/** An element-wise operator of one operand. */
export function unary<A = null>({ name, doc, f, back, emit, ints }: UnarySpec<A>): OpDef<A> {
  return {
    name,
    doc,
    infer: ([x]) => {
      if (!isFloat(x.dtype) && !(ints && (x.dtype === 'int32' || x.dtype === 'int64'))) {
        throw new DecantError('shape', `not defined for ${x.dtype}`, {
          allowed: ints ? 'float types, int32, int64' : 'float types',
          fix: "cast(x, 'float32') first",
        });
      }
      return [{ shape: x.shape, dtype: x.dtype }];
    },
    evaluate: ([x], { attrs }) => [mapUnary(x.data, (v) => f(v, attrs))],
    vjp: back
      ? ({ inputs: [x], outputs: [y], attrs, grads: [g] }: VjpContext<A>) => [back(x, y, g!, attrs)]
      : 'none',
    emit: (e, [x], { attrs, inputs }) => [
      typeof emit === 'string' ? e.node(emit, [x]) : emit(e, x, inputs[0].dtype, attrs),
    ],
  };
}

export const call =
  (op: OpDef<null>) =>
  (x: Tensor): Tensor =>
    apply(op, [x], null);

/** erf to about 1e-15: a series of positive terms below 2.5, a continued fraction for erfc above. */
export function erfReference(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (a > 6) return Math.sign(x);
  const square = a * a;
  if (a < 2.5) {
    // erf(x) = 2/√π · e^{-x²} · Σ 2ⁿ x^{2n+1} / (2n+1)!!
    let term = a;
    let sum = a;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * square) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-square) * sum;
  }
  // erfc(x) = e^{-x²}/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …))))
  let tail = a;
  for (let n = 60; n >= 1; n--) tail = a + n / 2 / tail;
  return Math.sign(x) * (1 - Math.exp(-square) / (Math.sqrt(Math.PI) * tail));
}
