import { afterAll, describe, expect, it } from 'vitest';
import type { Engine } from '../engine/engine.ts';
import { createReferenceEngine } from '../engine/reference/engine.ts';
import { array, toNumbers } from '../graph/index.ts';
import { createInference } from './inference.ts';
import { init } from './model.ts';
import { bertClassifier } from './models/bert.ts';

const engine: Engine = createReferenceEngine();
const model = bertClassifier(
  { vocab_size: 20, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 12 },
  3,
);
const params = init(model, 1);
const ids = array([[1, 2, 3]], 'int32');
afterAll(() => engine.close());

describe('inference', () => {
  it('needs parameters first, and names outputs there are', async () => {
    await expect(createInference(engine, model).run({ input_ids: ids })).rejects.toThrow(
      /set the parameters/,
    );
    const wrong = createInference(engine, model, { outputs: ['scores'] });
    await wrong.setParams(params);
    await expect(wrong.run({ input_ids: ids })).rejects.toThrow(/'scores'[\s\S]*logits/);
  });

  it('serves every batch, length and set of inputs with one set of parameters', async () => {
    const inference = createInference(engine, model, { taps: ['bert.encoder.layer.0'] });
    await inference.setParams(params);
    const short = await inference.run({ input_ids: ids });
    const padded = await inference.run({
      input_ids: array(
        [
          [1, 2, 3, 0],
          [4, 5, 6, 7],
        ],
        'int32',
      ),
      attention_mask: array(
        [
          [1, 1, 1, 0],
          [1, 1, 1, 1],
        ],
        'int32',
      ),
    });
    expect(padded['bert.encoder.layer.0'].shape).toEqual([2, 4, 8]);
    const [one, two] = [short, padded].map((r) => [...toNumbers(r.logits)].slice(0, 3));
    one.forEach((v, i) => {
      expect(two[i]).toBeCloseTo(v, 6);
    });
    await inference.setParams(init(model, 2));
    expect([...toNumbers((await inference.run({ input_ids: ids })).logits)]).not.toEqual(one);
    await inference.dispose();
  });
});
