import { afterAll, describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../../engine/reference/engine.ts';
import { array, type NDArray, toNumbers } from '../../graph/index.ts';
import { createInference } from '../inference.ts';
import { init } from '../model.ts';
import { kernelPooling } from './kernel-pooling.ts';

const engine = createReferenceEngine();
afterAll(() => engine.close());

const sizes = { vocab_size: 12, hidden_size: 4, num_attention_heads: 2, intermediate_size: 8 };

async function scores(
  layers: number,
  query: number[][],
  documents: number[][][],
  padTo = 0,
  weight?: number,
) {
  const model = kernelPooling({
    ...sizes,
    num_hidden_layers: layers,
    max_position_embeddings: 16,
    term_weights: weight !== undefined,
  });
  const params = init(model, 1);
  if (weight !== undefined) (params['term_weights.weight'].data as Float32Array).fill(weight);
  const wide = (rows: number[][], width: number): number[][] =>
    rows.map((r) => Array.from({ length: width }, (_, i) => r[i] ?? 0));
  const real = (rows: number[][], width: number): number[][] =>
    rows.map((r) => Array.from({ length: width }, (_, i) => (i < r.length ? 1 : 0)));
  const q = Math.max(padTo, ...query.map((r) => r.length));
  const d = Math.max(padTo, ...documents.flat().map((r) => r.length));
  const inference = createInference(engine, model);
  await inference.setParams(params);
  const out = await inference.run({
    query_input_ids: array(wide(query, q), 'int32'),
    query_attention_mask: array(real(query, q), 'int32'),
    document_input_ids: array(
      documents.map((r) => wide(r, d)),
      'int32',
    ),
    document_attention_mask: array(
      documents.map((r) => real(r, d)),
      'int32',
    ),
  });
  await inference.dispose();
  return { values: [...toNumbers(out.logits)], params };
}

/** The formula with loops. */
function byHand(params: Record<string, NDArray>, query: number[], document: number[]): number {
  const table = params['word_embeddings.weight'].data as Float32Array;
  const unit = (id: number): number[] => {
    const row = [...table.subarray(4 * id, 4 * id + 4)];
    const length = Math.hypot(...row);
    return row.map((x) => x / length);
  };
  const centres = [1, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5, -0.7, -0.9];
  const weight = params['score.weight'].data as Float32Array;
  return centres.reduce((total, centre, k) => {
    const feature = query.reduce((sum, q) => {
      const near = document.map((d) => {
        const cosine = unit(q).reduce((s, x, i) => s + x * unit(d)[i], 0);
        return Math.exp(-((cosine - centre) ** 2) / (2 * 0.1 ** 2));
      });
      return sum + Math.log(Math.max(near.reduce((a, b) => a + b) * 1, 1e-10));
    }, 0);
    return total + weight[k] * feature;
  }, 0);
}

describe('kernel pooling', () => {
  const query = [
    [3, 5, 7],
    [2, 9],
  ];
  const documents = [
    [[3, 4, 6, 8], [7]],
    [
      [2, 2, 9],
      [1, 5],
    ],
  ];

  it('counts near words by kernels', async () => {
    const { values, params } = await scores(0, query, documents);
    const want = query.flatMap((q, b) => documents[b].map((d) => byHand(params, q, d)));
    values.forEach((v, i) => {
      expect(v).toBeCloseTo(want[i], 5);
    });
  });

  it('weighs query words: a weight of 1 is none, twice the weight twice the score', async () => {
    const plain = (await scores(0, query, documents, 9)).values;
    const ones = (await scores(0, query, documents, 9, 1)).values;
    const twos = (await scores(0, query, documents, 9, 2)).values;
    plain.forEach((v, i) => {
      expect(ones[i]).toBeCloseTo(v, 6);
      expect(twos[i]).toBeCloseTo(2 * v, 5);
    });
  });

  it.each([0, 2])('with %d layers: padding changes nothing', async (layers) => {
    const plain = (await scores(layers, query, documents)).values;
    const padded = (await scores(layers, query, documents, 9)).values;
    padded.forEach((v, i) => {
      expect(v).toBeCloseTo(plain[i], 5);
    });
  });
});
