import { afterAll, describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../engine/reference/engine.ts';
import { array, type NDArray, toNumbers } from '../graph/index.ts';
import { createInference } from './inference.ts';
import { layersFrom, trimVocabulary } from './layers-from.ts';
import { type AnyModel, init } from './model.ts';
import { bertClassifier } from './models/bert.ts';
import { cnn } from './models/cnn.ts';
import { distilbertClassifier } from './models/distilbert.ts';
import { gpt2 } from './models/gpt2.ts';
import { llama } from './models/llama.ts';
import { vit } from './models/vit.ts';
import type { Params } from './params.ts';

const engine = createReferenceEngine();
afterAll(() => engine.close());

const bert = (layers: number) =>
  bertClassifier(
    {
      vocab_size: 20,
      hidden_size: 8,
      num_hidden_layers: layers,
      num_attention_heads: 2,
      intermediate_size: 12,
      pad_token_id: 3,
    },
    3,
  );
const small = { hidden_size: 8, num_attention_heads: 2, intermediate_size: 12, num_hidden_layers: 4 };
const tiedLlama = llama({ ...small, num_key_value_heads: 2, vocab_size: 20, tie_word_embeddings: true });
const untiedLlama = llama({ ...small, num_key_value_heads: 2, vocab_size: 20, eos_token_id: [1, 7] });
const teachers: [string, AnyModel, string][] = [
  ['BERT', bert(4), 'bert.encoder.layer.#.output.dense.weight'],
  [
    'DistilBERT',
    distilbertClassifier({ vocab_size: 20, dim: 8, n_heads: 2, hidden_dim: 12, n_layers: 4 }, 3),
    'distilbert.transformer.layer.#.ffn.lin1.weight',
  ],
  [
    'GPT-2',
    gpt2({ vocab_size: 20, n_embd: 8, n_layer: 4, n_head: 2 }) as unknown as AnyModel,
    'transformer.h.#.attn.c_attn.weight',
  ],
  ['Llama', untiedLlama as unknown as AnyModel, 'model.layers.#.mlp.up_proj.weight'],
  [
    'ViT',
    vit({ ...small, image_size: 8, patch_size: 4 }, 3),
    'vit.encoder.layer.#.intermediate.dense.weight',
  ],
];

async function run(model: AnyModel, params: Params<NDArray>, ids: number[][]): Promise<number[]> {
  const inference = createInference(engine, model);
  await inference.setParams(params);
  const { logits } = await inference.run({ input_ids: array(ids, 'int32') });
  await inference.dispose();
  return [...toNumbers(logits)];
}

describe.each(teachers)('a student from layers of %s', (_, teacher, name) => {
  const params = init(teacher, 1);

  it('has those layers and all the rest of the teacher', () => {
    const student = layersFrom(teacher, params, { every: 2 });
    expect(student.from).toEqual([0, 2]);
    const stored = Object.keys(student.model.params).filter(
      (n) => student.model.params[n].tiedTo === undefined,
    );
    expect(Object.keys(student.params)).toEqual(stored);
    expect(student.params[name.replace('#', '1')]).toBe(params[name.replace('#', '2')]);
    expect(student.params[name.replace('#', '2')]).toBeUndefined();
    for (const n of stored) expect(student.params[n].shape).toEqual(student.model.params[n].shape);
    const last = layersFrom(teacher, params, { layers: [3, 0] });
    expect(last.params[name.replace('#', '0')]).toBe(params[name.replace('#', '3')]);
  });
});

describe('layersFrom', () => {
  it('with all layers is the teacher, and with the first ones the teacher cut off', async () => {
    const teacher = bert(3);
    const params = init(teacher, 1);
    const all = layersFrom(teacher, params, { every: 1 });
    const ids = [[1, 2, 3]];
    expect(await run(all.model as AnyModel, all.params, ids)).toEqual(await run(teacher, params, ids));
    const cut = layersFrom(teacher, params, { layers: [0, 1] });
    const by = Object.fromEntries(Object.entries(params).filter(([n]) => !n.includes('layer.2.')));
    expect(await run(cut.model as AnyModel, cut.params, ids)).toEqual(await run(bert(2), by, ids));
  });

  it('refuses layers there are not, and models without any', () => {
    const teacher = bert(2);
    expect(() => layersFrom(teacher, init(teacher, 1), { layers: [2] })).toThrow(/0 to 1/);
    expect(() => layersFrom(teacher, init(teacher, 1), { every: 0 })).toThrow(/positive/);
    const other = cnn({ channels: 1, imageSize: 8, classes: 2 });
    expect(() => layersFrom(other, init(other, 1), { every: 2 })).toThrow(/cannot be taken/);
  });
});

describe('a trimmed vocabulary', () => {
  const kept = [0, 3, 4, 7, 9, 12];

  it.each([
    ['tied', tiedLlama],
    ['untied', untiedLlama],
  ])('keeps the logits of what stays (%s)', async (_, teacher) => {
    const model = teacher as unknown as AnyModel;
    const params = init(model, 1);
    const small = trimVocabulary(model, params, kept);
    const full = await run(model, params, [[3, 9, 12]]);
    const less = await run(small.model as AnyModel, small.params, [[1, 4, 5]]);
    expect(less).toEqual([0, 1, 2].flatMap((t) => kept.map((id) => full[t * 20 + id])));
  });

  it('moves the ids of the config along', () => {
    const teacher = bert(1);
    const trimmed = trimVocabulary(teacher, init(teacher, 1), kept).model.config;
    expect([trimmed.vocab_size, trimmed.pad_token_id, trimmed.num_labels]).toEqual([6, 1, 3]);
    const llm = trimVocabulary(
      untiedLlama as unknown as AnyModel,
      init(untiedLlama as unknown as AnyModel, 1),
      kept,
    );
    expect(llm.model.config.eos_token_id).toEqual([3]);
    expect(() => trimVocabulary(teacher, init(teacher, 1), [20])).toThrow(/0 to 19/);
  });
});
