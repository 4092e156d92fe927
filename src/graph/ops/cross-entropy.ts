import { DecantError } from '../../util/errors.ts';
import { isFloat, isInt } from '../dtype.ts';
import type { OpDef } from '../op.ts';
import { dimProduct, shapeEquals, showShape } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import { add, mul, sub } from './arithmetic.ts';
import { reshape } from './basic.ts';
import { gatherElements, scatterElements } from './indexing.ts';
import { sum } from './reduce.ts';

/**
 * Rows of logits [r, v] and labels [r, 1]: outputs the loss [r, 1] and the probabilities [r, v], which the backward
 * pass takes over. log Σ exp(x) is max(x) - log max(p): p alone would underflow for an unlikely label.
 */
export const softmaxCrossEntropyOp: OpDef<null> = {
  name: 'softmaxCrossEntropy',
  doc: 'log Σ exp(x) - x[label] per row, and softmax(x)',
  infer: ([x, labels]) => {
    const ok = x.shape.length === 2 && shapeEquals(labels.shape, [x.shape[0], 1]);
    if (!ok || !isFloat(x.dtype) || !isInt(labels.dtype)) {
      throw new DecantError('shape', 'expected float logits and integer labels', {
        seen: `${x.dtype}${showShape(x.shape)} and ${labels.dtype}${showShape(labels.shape)}`,
        allowed: '[rows, classes] and [rows, 1]',
      });
    }
    return [
      { shape: labels.shape, dtype: x.dtype },
      { shape: x.shape, dtype: x.dtype },
    ];
  },
  evaluate: ([x, labels], { types: [, { shape }] }) => {
    const [rows, v] = shape;
    const loss = new Float64Array(rows);
    const p = new Float64Array(rows * v);
    for (let r = 0; r < rows; r++) {
      const label = labels.data[r] < 0 ? labels.data[r] + v : labels.data[r];
      if (!(label >= 0 && label < v))
        throw new DecantError('shape', 'label out of range', { seen: label, allowed: `0 to ${v - 1}` });
      let top = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < v; i++) top = Math.max(top, x.data[r * v + i]);
      let total = 0;
      for (let i = 0; i < v; i++) total += p[r * v + i] = Math.exp(x.data[r * v + i] - top);
      for (let i = 0; i < v; i++) p[r * v + i] /= total;
      loss[r] = top - x.data[r * v + label] + Math.log(total);
    }
    return [loss, p];
  },
  vjp: ({ inputs: [, labels], outputs: [, p], grads: [g, gP] }) => {
    let dx: Tensor | undefined;
    // (p - onehot)·g
    if (g) dx = mul(scatterElements(p, labels, sub(gatherElements(p, labels, 1), 1), 1), g);
    if (gP) {
      const weighted = mul(gP, p);
      const through = sub(weighted, mul(p, sum(weighted, 1, true)));
      dx = dx ? add(dx, through) : through;
    }
    return [dx, undefined];
  },
  emit: (e, [x, labels]) => {
    const axes = e.int64([1]);
    const p = e.node('Softmax', [x], { axis: 1 });
    const top = e.node('ReduceMax', [x, axes], { keepdims: 1 });
    const log = e.node('Log', [e.node('ReduceMax', [p, axes], { keepdims: 1 })]);
    const own = e.node('GatherElements', [x, labels], { axis: 1 });
    return [e.node('Sub', [e.node('Sub', [top, own]), log]), p];
  },
};

/**
 * Cross-entropy of logits `[..., classes]` with integer labels `[...]`, per row and un-reduced `[...]`:
 * log Σ exp(logits) - logits[label]. Labels must lie in range: for positions to ignore, pass any valid label and
 * multiply the loss by 0.
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const lead = logits.shape.slice(0, -1);
  if (!shapeEquals(lead, labels.shape)) {
    throw new DecantError('shape', 'softmaxCrossEntropy: one label per row of logits', {
      seen: `${showShape(logits.shape)} and ${showShape(labels.shape)}`,
    });
  }
  const rows = dimProduct(lead);
  const x = reshape(logits, [rows, logits.shape[logits.rank - 1]]);
  return reshape(apply(softmaxCrossEntropyOp, [x, reshape(labels, [rows, 1])], null), lead);
}
