import { add, exp, log, max, reshape, squeeze, stopGradient, sub, sum, type Tensor } from '../graph/index.ts';
import type { AnyModel } from './model.ts';

/** Names under which configurations keep the number of outputs. */
const OUTPUTS = ['num_labels', 'classes', 'outputs'] as const;

/** The configuration of the same classifier with `outputs` outputs in place of its classes. */
export const withOutputs = (
  config: Readonly<Record<string, unknown>>,
  outputs: number,
): Record<string, unknown> => ({
  ...config,
  ...Object.fromEntries(OUTPUTS.filter((n) => typeof config[n] === 'number').map((n) => [n, outputs])),
  num_labels: outputs,
  id2label: undefined,
  label2id: undefined,
  subclasses: undefined,
});

/**
 * A classifier with several outputs per class, whose class scores are log Σ_s exp g_{c,s}: softmax over them gives sums
 * of subclass probabilities. Its outputs are `logits` `[batch, classes]` and `subclasses` `[batch, classes · S]`
 * (entry c·S + s).
 *
 * @param wide the model with classes · S outputs
 * @param config what config.json says: the classes, and `subclasses: S`
 */
export function foldSubclasses(
  wide: AnyModel,
  config: Readonly<Record<string, unknown>>,
  classes: number,
  subclasses: number,
): AnyModel {
  return {
    ...wide,
    config: { ...config, subclasses },
    forward(s, inputs) {
      const outputs = wide.forward(s, inputs);
      const g = outputs.logits as Tensor;
      const apart = reshape(g, [...g.shape.slice(0, -1), classes, subclasses]);
      return { ...outputs, subclasses: g, logits: s.tap(total(apart), 'logits') };
    },
  };
}

/** log Σ eˣ over the last axis. */
function total(x: Tensor): Tensor {
  const top = stopGradient(max(x, -1, true));
  return squeeze(add(top, log(sum(exp(sub(x, top)), -1, true))), -1);
}
