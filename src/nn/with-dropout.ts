import { input } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { type AnyModel, tracedForward } from './model.ts';
import { scopeOf } from './scope.ts';

/** The model with every dropout at `rate`, whatever its config says. Errors: `model` for one without any dropout. */
export function withDropout<M extends Pick<AnyModel, 'params' | 'inputs' | 'forward'>>(
  model: M,
  rate: number,
): M {
  const wrapped: M = {
    ...model,
    forward: ((s, inputs) =>
      model.forward(scopeOf(s.params, { ...s.ctx, dropout: rate }, s.path), inputs)) as M['forward'],
  };
  if (rate > 0 && !asksForKeys(wrapped))
    throw new DecantError('model', 'the model has no place for dropout', {
      at: 'train.dropout',
      seen: rate,
      fix: 'leave train.dropout out, or choose an architecture with dropout',
    });
  return wrapped;
}

function asksForKeys(model: Pick<AnyModel, 'params' | 'inputs' | 'forward'>): boolean {
  let asked = 0;
  const nextKey = () => input(`key.${asked++}`, [2], 'uint32');
  tracedForward(model, { train: true, nextKey, updates: new Map() });
  return asked > 0;
}
