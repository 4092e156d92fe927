import { expect, it } from 'vitest';
import { input } from '../graph/index.ts';
import { tracedForward } from './model.ts';
import { bagClassifier } from './models/bag.ts';
import { resnet } from './models/resnet.ts';
import { withDropout } from './with-dropout.ts';

const bag = bagClassifier({ vocab_size: 32, width: 4, ngrams: 1, buckets: 8, dropout: 0 } as never, 2);
const keysAsked = (model: Parameters<typeof tracedForward>[0], train = true): number => {
  let n = 0;
  tracedForward(model, { train, nextKey: () => input(`key.${n++}`, [2], 'uint32'), updates: new Map() });
  return n;
};

it('switches dropout on in a model whose own rate is 0, in training only', () => {
  expect(keysAsked(bag)).toBe(0);
  expect(keysAsked(withDropout(bag, 0.2))).toBe(1);
  expect(keysAsked(withDropout(bag, 0.2), false)).toBe(0);
  expect(keysAsked(withDropout(bag, 0))).toBe(0);
});

it('refuses a model that has no place for it', () => {
  const model = resnet({ depth: 8, channels: 1, imageSize: 8, classes: 2 });
  expect(() => withDropout(model, 0.1)).toThrow(/train\.dropout: the model has no place for dropout/);
});
