import { expect, it } from 'vitest';
import { interpret } from '../engine/reference/interpreter.ts';
import { array, input, spec, type Tensor, toNumbers, trace } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { attend } from './layers/attention.ts';
import { tracedForward } from './model.ts';
import { bagClassifier } from './models/bag.ts';
import { bertClassifier } from './models/bert.ts';
import { resnet } from './models/resnet.ts';
import { scopeOf } from './scope.ts';
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

it('drops attention weights where the config says so', () => {
  const config = { vocab_size: 16, hidden_size: 8, num_hidden_layers: 3, num_attention_heads: 2 };
  const bert = (rate: number) =>
    bertClassifier(
      {
        ...config,
        intermediate_size: 8,
        hidden_dropout_prob: 0,
        attention_probs_dropout_prob: rate,
      } as never,
      2,
    );
  expect(keysAsked(bert(0))).toBe(0);
  expect(keysAsked(bert(0.1))).toBe(3);
});

it('scales the attention weights that stay, in training only', () => {
  const rng = createRng('attention');
  const x = () => array([[Array.from({ length: 6 }, () => [rng.normal(), rng.normal()])]]);
  // values of the identity: what comes out are the weights
  const identity = array([
    [Array.from({ length: 6 }, (_, i) => Array.from({ length: 6 }, (_, j) => +(i === j)))],
  ]);
  const given = [x(), x(), identity];
  const weights = (train: boolean): number[] => {
    const { graph } = trace(
      (q: Tensor, k: Tensor, v: Tensor, key: Tensor) => [
        attend({ q, k, v, drop: [scopeOf({}, { train, nextKey: () => key }), 0.5] }),
      ],
      [...given.map((a) => spec(a.shape)), spec([2], 'uint32')],
      ['q', 'k', 'v', 'key'],
    );
    return [...toNumbers(interpret(graph, [...given, array([3, 4], 'uint32')])[0])];
  };
  const [whole, dropped] = [weights(false), weights(true)];
  const kept = dropped.filter((w) => w !== 0).length;
  expect(kept).toBeGreaterThan(6);
  expect(kept).toBeLessThan(30);
  dropped.forEach((w, i) => {
    if (w !== 0) expect(w).toBeCloseTo(2 * whole[i], 6);
  });
});
