import { afterAll, describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../../engine/reference/engine.ts';
import { array, type NDArray, ndarray, toNumbers } from '../../graph/index.ts';
import { createInference } from '../inference.ts';
import { type AnyModel, init } from '../model.ts';
import { normalInit, type Params } from '../params.ts';
import { bagClassifier } from './bag.ts';
import { bertClassifier } from './bert.ts';
import { clip } from './clip.ts';
import { colbert } from './colbert.ts';
import { crossEncoder } from './cross-encoder.ts';
import { distilbertClassifier } from './distilbert.ts';
import { dualEncoder } from './dual-encoder.ts';
import { prett } from './prett.ts';
import { sentenceEncoder } from './sentence.ts';
import { textCnn } from './text-cnn.ts';

const engine = createReferenceEngine();
afterAll(() => engine.close());

const sizes = {
  vocab_size: 20,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 12,
  max_position_embeddings: 24,
};
/** Weights large enough for a difference to show. */
const weights = (model: AnyModel): Params<NDArray> =>
  init(
    {
      ...model,
      params: Object.fromEntries(
        Object.entries(model.params).map(([n, p]) => [
          n,
          p.shape.length < 2 ? p : { ...p, init: normalInit(0.5) },
        ]),
      ),
    },
    1,
  );

async function run(model: AnyModel, inputs: Record<string, NDArray>, output: string): Promise<number[]> {
  const inference = createInference(engine, model, { outputs: [output] });
  await inference.setParams(weights(model));
  const out = await inference.run(inputs);
  await inference.dispose();
  return [...toNumbers(out[output])];
}

/** Rows of ids, padded to a length with id 0, and their mask. */
function padded(rows: number[][], length: number): { ids: NDArray; mask: NDArray } {
  const fill = (f: (row: number[], i: number) => number): NDArray =>
    array(
      rows.map((row) => Array.from({ length }, (_, i) => f(row, i))),
      'int32',
    );
  return { ids: fill((row, i) => row[i] ?? 0), mask: fill((row, i) => (i < row.length ? 1 : 0)) };
}
const TEXTS = [
  [3, 7, 9, 4],
  [3, 5],
  [6, 8, 2],
];
const text = (length: number) => {
  const { ids, mask } = padded(TEXTS, length);
  return { input_ids: ids, attention_mask: mask };
};
const grouped = (a: NDArray, documents: number): NDArray =>
  ndarray(a.data, [a.shape[0] / documents, documents, a.shape[1]]);
const candidates = (length: number) => {
  const query = padded([[3, 2, 4]], length - 1);
  const documents = padded(TEXTS, length);
  return {
    query_input_ids: query.ids,
    query_attention_mask: query.mask,
    document_input_ids: grouped(documents.ids, 3),
    document_attention_mask: grouped(documents.mask, 3),
  };
};

const tower = { ...sizes, eos_token_id: 4 };
const CASES: [string, AnyModel, (length: number) => Record<string, NDArray>, string][] = [
  ['BERT', bertClassifier(sizes, 3), text, 'logits'],
  [
    'DistilBERT',
    distilbertClassifier({ vocab_size: 20, dim: 8, n_layers: 2, n_heads: 2, hidden_dim: 12 }, 3),
    text,
    'logits',
  ],
  ['a bag of n-grams', bagClassifier({ vocab_size: 20, width: 8, buckets: 64 }, 3), text, 'logits'],
  ['TextCNN', textCnn({ vocab_size: 20, width: 8, kernels: [2, 5], maps: 6 }, 3), text, 'logits'],
  ['a sentence encoder', sentenceEncoder(sizes), text, 'sentence_embedding'],
  [
    'a bag of embeddings',
    sentenceEncoder({ encoder: 'bag', vocab_size: 20, hidden_size: 8, projection: 4 }),
    text,
    'sentence_embedding',
  ],
  ['a cross-encoder', crossEncoder(sizes), text, 'logits'],
  ['a dual encoder', dualEncoder({ ...sizes, projection: 4 }), candidates, 'logits'],
  ['ColBERT', colbert({ ...sizes, dim: 4 }), candidates, 'logits'],
  ['PreTT', prett({ ...sizes, split_layer: 1, max_query_length: 8 }), candidates, 'logits'],
  [
    "CLIP's text tower",
    clip({ text_config: tower, vision_config: { ...sizes, image_size: 8 }, projection_dim: 4 }),
    text,
    'text_embeds',
  ],
];

describe('padding', () => {
  it.each(CASES)('changes nothing for %s', async (_, model, inputs, output) => {
    const [short, long] = [await run(model, inputs(4), output), await run(model, inputs(7), output)];
    expect(Math.max(...short) - Math.min(...short)).toBeGreaterThan(1e-3);
    short.forEach((v, i) => {
      expect(long[i]).toBeCloseTo(v, 9);
    });
  });

  it('a cross-encoder takes the candidates of a query in one go', async () => {
    const { input_ids, attention_mask } = text(4);
    const apart = await run(crossEncoder(sizes), { input_ids, attention_mask }, 'logits');
    const together = { input_ids: grouped(input_ids, 3), attention_mask: grouped(attention_mask, 3) };
    const model = crossEncoder(sizes);
    const inputs = Object.fromEntries(
      Object.entries(model.inputs).map(([n, t]) => [n, { ...t, shape: [1, 3, 4] }]),
    );
    expect(await run({ ...model, inputs }, together, 'logits')).toEqual(apart);
  });
});
