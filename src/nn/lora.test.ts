import { afterAll, describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../engine/reference/engine.ts';
import { array, type NDArray, ndarray, toNumbers } from '../graph/index.ts';
import { createInference } from './inference.ts';
import { adapterParams, linearLayers, mergeLora, withLora } from './lora.ts';
import { type AnyModel, init } from './model.ts';
import { bertClassifier } from './models/bert.ts';
import { gpt2 } from './models/gpt2.ts';
import { countParams, type Params } from './params.ts';

const engine = createReferenceEngine();
afterAll(() => engine.close());

const bert = bertClassifier(
  { vocab_size: 20, hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 12 },
  3,
);
const decoder = gpt2({
  vocab_size: 20,
  n_embd: 8,
  n_layer: 2,
  n_head: 2,
  n_positions: 8,
}) as unknown as AnyModel;

async function logits(model: AnyModel, params: Params<NDArray>): Promise<number[]> {
  const inference = createInference(engine, model);
  await inference.setParams(params);
  const out = await inference.run({ input_ids: array([[1, 2, 3, 4]], 'int32') });
  await inference.dispose();
  return [...toNumbers(out.logits)];
}

/** As after training: no adapter is zero. */
const stirred = (params: Params<NDArray>): Params<NDArray> =>
  Object.fromEntries(
    Object.entries(params).map(([n, a]) => [
      n,
      n.includes('lora_B')
        ? ndarray(
            Float32Array.from(a.data as Float32Array, (_, i) => Math.sin(i + 1) / 3),
            a.shape,
          )
        : a,
    ]),
  );

describe.each([
  ['BERT', bert],
  ['GPT-2', decoder],
] as const)('LoRA on %s', (_, model) => {
  const base = init(model, 1);
  const adapted = withLora(model, { rank: 2, alpha: 6 });

  it('changes nothing at the start, and something when the adapters move', async () => {
    const start = { ...init(adapted, 2), ...base };
    const plain = await logits(model, base);
    expect(await logits(adapted, start)).toEqual(plain);
    expect(await logits(adapted, stirred(start))).not.toEqual(plain);
  });

  it('merged gives what the adapters give', async () => {
    const params = stirred({ ...init(adapted, 2), ...base });
    const merged = mergeLora(adapted, params);
    expect(Object.keys(merged).sort()).toEqual(Object.keys(base).sort());
    const [one, two] = [await logits(adapted, params), await logits(model, merged)];
    one.forEach((v, i) => {
      expect(two[i]).toBeCloseTo(v, 6);
    });
    expect(mergeLora(adapted, { ...init(adapted, 2), ...base })).toEqual(base);
  });

  it('trains adapters only, with the shapes and names of PEFT', () => {
    const trained = Object.entries(adapted.params).filter(([, p]) => !p.buffer);
    expect(trained.length).toBeGreaterThan(0);
    for (const [name] of trained) expect(name).toMatch(/att(n|ention)\..*\.lora_[AB]\.weight$/);
    expect(Object.keys(adapterParams(init(adapted, 1))).sort()).toEqual(trained.map(([n]) => n).sort());
    expect(countParams(adapted.params)).toBeLessThan(countParams(model.params) / 2);
  });
});

describe('targets', () => {
  it('are found by the end of their path', () => {
    expect(linearLayers(bert).filter((l) => l.transposed)).toEqual([]);
    expect(linearLayers(decoder).every((l) => l.transposed)).toBe(true);
    const some = withLora(bert, { rank: 1, targets: ['query', 'bert.encoder.layer.1.output.dense'] });
    expect(some.lora.layers.map((l) => l.path)).toEqual([
      'bert.encoder.layer.0.attention.self.query',
      'bert.encoder.layer.1.attention.self.query',
      'bert.encoder.layer.1.output.dense',
    ]);
    expect(some.params['bert.encoder.layer.1.output.dense.lora_A.weight'].shape).toEqual([1, 12]);
    expect(withLora(bert, { rank: 1, targets: 'all' }).lora.layers).toHaveLength(2 * 6 + 2);
    expect(
      withLora(bert, { rank: 1, train: ['classifier'] }).params['classifier.weight'].buffer,
    ).toBeUndefined();
  });

  it('that do not exist are an error', () => {
    expect(() => withLora(bert, { rank: 1, targets: ['q_proj'] })).toThrow(/lora\.targets[\s\S]*query/);
    expect(() => withLora(bert, { rank: 0 })).toThrow(/rank/);
  });
});
