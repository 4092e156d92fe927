import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import { shapeEquals, showShape } from '../shape.ts';
import { apply, applyAll, Tensor } from '../tensor.ts';
import { identity } from './basic.ts';

export const stopGradientOp: OpDef<null> = {
  name: 'stopGradient',
  doc: 'x, but no gradient flows to it',
  infer: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
  evaluate: ([x]) => [x.data],
  vjp: 'none',
  emit: (_, [x]) => [x],
};
/** x as a constant to differentiation. */
export const stopGradient = (x: Tensor): Tensor => apply(stopGradientOp, [x], null);

export const straightThroughOp: OpDef<null> = {
  name: 'straightThrough',
  doc: 'the value of one tensor with the gradient of another',
  infer: ([value, surrogate]) => {
    if (!shapeEquals(value.shape, surrogate.shape) || value.dtype !== surrogate.dtype) {
      throw new DecantError('shape', 'value and surrogate must have one shape and dtype', {
        seen: `${value.dtype}${showShape(value.shape)} and ${surrogate.dtype}${showShape(surrogate.shape)}`,
      });
    }
    return [{ shape: value.shape, dtype: value.dtype }];
  },
  evaluate: ([value]) => [value.data],
  vjp: ({ grads: [g] }) => [undefined, g],
  emit: (_, [value]) => [value],
};
/**
 * Straight-through estimator (Bengio et al. 2013, arXiv:1308.3432): forward `value`, backward as if it were
 * `surrogate`. Rounding with an identity gradient: `straightThrough(round(x), x)`.
 */
export const straightThrough = (value: Tensor, surrogate: Tensor): Tensor =>
  apply(straightThroughOp, [value, surrogate], null);

export interface CustomRule {
  /** Computes the outputs. */
  forward: (...inputs: Tensor[]) => Tensor | Tensor[];
  /**
   * Cotangents of the inputs (undefined: none), in operators, so that they can be differentiated again. `grads[i]` is
   * undefined for an output that nothing depends on.
   */
  backward: (ctx: {
    inputs: readonly Tensor[];
    outputs: readonly Tensor[];
    grads: readonly (Tensor | undefined)[];
  }) => readonly (Tensor | undefined)[];
}

interface CustomAttrs {
  backward: CustomRule['backward'];
  inputs: number;
}

export const customVjpOp: OpDef<CustomAttrs> = {
  name: 'customVjp',
  doc: 'a function with its own gradient rule',
  infer: (all, { inputs }) => all.slice(inputs).map(({ shape, dtype }) => ({ shape, dtype })),
  evaluate: (all, { attrs }) => all.slice(attrs.inputs).map((t) => t.data),
  // the computed outputs get no cotangent, so the rule replaces the gradient of `forward` altogether
  vjp: ({ inputs, outputs, attrs, grads }) => {
    const own = inputs.slice(0, attrs.inputs);
    const back = attrs.backward({ inputs: own, outputs, grads });
    if (back.length !== own.length) {
      throw new DecantError('shape', 'a custom gradient rule must return one cotangent per input', {
        seen: back.length,
        allowed: String(own.length),
      });
    }
    return [...back, ...outputs.map(() => undefined)];
  },
  emit: (_, all, { attrs }) => all.slice(attrs.inputs),
};

/** A function of tensors with its own gradient rule: `customVjp({ forward, backward })(x, y)`. */
export function customVjp({ forward, backward }: CustomRule): (...inputs: Tensor[]) => Tensor[] {
  return (...inputs) => {
    const result = forward(...inputs.map(identity));
    const outputs = result instanceof Tensor ? [result] : result;
    return applyAll(customVjpOp, [...inputs, ...outputs], { backward, inputs: inputs.length });
  };
}
