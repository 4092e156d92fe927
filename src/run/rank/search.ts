import { padIdOf } from '../../data/batching.ts';
import type { Engine } from '../../engine/engine.ts';
import { bestOf, type Hits } from '../../evaluate/bm25.ts';
import { type NDArray, ndarray, spec, sym } from '../../graph/index.ts';
import { createInference, type Inference } from '../../nn/inference.ts';
import { maxSim } from '../../nn/layers/max-sim.ts';
import type { AnyModel } from '../../nn/model.ts';
import { colbertTokens } from '../../nn/models/colbert.ts';
import { sentenceEncoder } from '../../nn/models/sentence.ts';
import type { Params } from '../../nn/params.ts';
import { type BuiltRanker, sides } from './build.ts';

/** A ranker whose documents are encoded ahead: queries are compared with all of them, exactly. */
export interface DenseIndex {
  /** Scores of all documents for each query, one query at a time. */
  scores(query: string): Promise<Float32Array>;
  search(query: string, k: number): Promise<Hits>;
  dispose(): Promise<void>;
}

export interface Tower {
  readonly model: AnyModel;
  /** Names of the tower's parameters in the whole model begin with this. */
  readonly prefix: string;
}

/** The encoders of a dual encoder by side, or undefined for other models. */
export function towersOf(model: AnyModel): { query: Tower; document: Tower } | undefined {
  if (model.architecture !== 'DualEncoder') return undefined;
  const tower = sentenceEncoder(model.config) as AnyModel;
  if (model.config.shared !== false)
    return { query: { model: tower, prefix: '' }, document: { model: tower, prefix: '' } };
  return {
    query: { model: tower, prefix: 'query_encoder.' },
    document: { model: tower, prefix: 'document_encoder.' },
  };
}

/** A tower's parameters under its own names. */
export const towerParams = (tower: Tower, params: Params<NDArray>): Params<NDArray> =>
  Object.fromEntries(
    Object.entries(params)
      .filter(([n]) => n.startsWith(tower.prefix))
      .map(([n, a]): [string, NDArray] => [n.slice(tower.prefix.length), a])
      .filter(([n]) => tower.model.params[n]),
  );

/** Whether documents can be encoded without knowing the query. */
export const isDense = (model: AnyModel): boolean =>
  model.architecture === 'DualEncoder' || model.architecture === 'HF_ColBERT';

/** Encodes all documents for exact search. Only for models that {@link isDense}. */
export async function buildIndex(
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
  documents: readonly string[],
): Promise<DenseIndex> {
  return towersOf(built.model)
    ? vectorIndex(engine, built, params, documents)
    : tokenIndex(engine, built, params, documents);
}

interface TextRows {
  inputs(rows: readonly number[]): Record<string, NDArray>;
  readonly lengths: readonly number[];
}

/** Token ids as padded inputs. */
function textRows(ids: readonly (readonly number[])[], pad: number): TextRows {
  const lengths = ids.map((r) => Math.max(1, r.length));
  return {
    lengths,
    inputs(rows) {
      const width = Math.ceil(Math.max(...rows.map((i) => lengths[i])) / 8) * 8;
      const data = new Int32Array(rows.length * width).fill(pad);
      const mask = new Int32Array(rows.length * width);
      rows.forEach((row, r) => {
        data.set(ids[row], r * width);
        mask.fill(1, r * width, r * width + ids[row].length);
      });
      const shape = [rows.length, width];
      return { input_ids: ndarray(data, shape), attention_mask: ndarray(mask, shape) };
    },
  };
}

async function open(engine: Engine, model: AnyModel, output: string, params: Params<NDArray>) {
  const inference = createInference(engine, model, { outputs: [output] });
  await inference.setParams(params);
  return inference;
}

/** Runs all rows, those of similar length together. */
async function runAll(
  inference: Inference,
  rows: TextRows,
  output: string,
  take: (row: number, out: NDArray, r: number) => void,
): Promise<void> {
  const order = rows.lengths.map((_, i) => i).sort((a, b) => rows.lengths[a] - rows.lengths[b]);
  for (let from = 0; from < order.length; from += 128) {
    const part = order.slice(from, from + 128);
    const out = (await inference.run(rows.inputs(part)))[output];
    part.forEach((row, r) => {
      take(row, out, r);
    });
  }
}

async function vectorIndex(
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
  documents: readonly string[],
): Promise<DenseIndex> {
  const towers = towersOf(built.model)!;
  const pad = padIdOf(built.tokenizer);
  const of = sides(built.model, built.tokenizer, lengthsOf(built));
  const encoder = (t: Tower): Promise<Inference> =>
    open(engine, t.model, 'sentence_embedding', towerParams(t, params));
  const document = await encoder(towers.document);
  const query = towers.query.prefix === towers.document.prefix ? document : await encoder(towers.query);
  let vectors = new Float32Array(0);
  let width = 0;
  const rows = textRows(documents.map(of.document), pad);
  await runAll(document, rows, 'sentence_embedding', (row, out, r) => {
    width = out.shape[1];
    if (vectors.length === 0) vectors = new Float32Array(documents.length * width);
    vectors.set((out.data as Float32Array).subarray(r * width, (r + 1) * width), row * width);
  });
  const scores = async (text: string): Promise<Float32Array> => {
    const out = await query.run(textRows([of.query(text)], pad).inputs([0]));
    const q = out.sentence_embedding.data as Float32Array;
    const result = new Float32Array(documents.length);
    for (let d = 0; d < documents.length; d++) {
      let sum = 0;
      const at = d * width;
      for (let i = 0; i < width; i++) sum += q[i] * vectors[at + i];
      result[d] = sum;
    }
    return result;
  };
  return {
    scores,
    search: async (text, k) => bestOf(await scores(text), k),
    dispose: async () => {
      await document.dispose();
      if (query !== document) await query.dispose();
    },
  };
}

const lengthsOf = (b: BuiltRanker) => ({ query: b.queryLength, document: b.documentLength });

/** MaxSim of one query with some documents, as a model without parameters. */
const maxSimModel = (width: number): AnyModel => ({
  architecture: 'MaxSim',
  config: {},
  params: {},
  inputs: {
    query: spec([1, sym('query_length'), width]),
    documents: spec([1, sym('documents'), sym('document_length'), width]),
    mask: spec([1, sym('documents'), sym('document_length')], 'int32'),
  },
  forward: (_, { query, documents, mask }) => ({
    logits: maxSim({ query, documents, documentMask: mask }),
  }),
});

async function tokenIndex(
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
  documents: readonly string[],
): Promise<DenseIndex> {
  const pad = padIdOf(built.tokenizer);
  const of = sides(built.model, built.tokenizer, lengthsOf(built));
  const encoder = await open(engine, colbertTokens(built.model.config), 'token_embeddings', params);
  const rows = textRows(documents.map(of.document), pad);
  const width = Number(built.model.config.dim);
  const states: Float32Array[] = new Array(documents.length);
  await runAll(encoder, rows, 'token_embeddings', (row, out, r) => {
    const each = out.shape[1] * width;
    states[row] = (out.data as Float32Array).slice(r * each, r * each + rows.lengths[row] * width);
  });
  // blocks of documents of similar length, padded once
  const order = rows.lengths.map((_, i) => i).sort((a, b) => rows.lengths[a] - rows.lengths[b]);
  const blocks: { rows: number[]; documents: NDArray; mask: NDArray }[] = [];
  for (let from = 0; from < order.length; from += 256) {
    const part = order.slice(from, from + 256);
    const longest = Math.max(...part.map((i) => rows.lengths[i]));
    const data = new Float32Array(part.length * longest * width);
    const mask = new Int32Array(part.length * longest);
    part.forEach((i, r) => {
      data.set(states[i], r * longest * width);
      mask.fill(1, r * longest, r * longest + rows.lengths[i]);
    });
    blocks.push({
      rows: part,
      documents: ndarray(data, [1, part.length, longest, width]),
      mask: ndarray(mask, [1, part.length, longest]),
    });
  }
  const compare = await open(engine, maxSimModel(width), 'logits', {});
  const scores = async (text: string): Promise<Float32Array> => {
    const ids = of.query(text);
    const alone = { input_ids: ndarray(Int32Array.from(ids), [1, ids.length]) };
    const query = (await encoder.run(alone)).token_embeddings;
    const out = new Float32Array(documents.length);
    for (const block of blocks) {
      const { logits } = await compare.run({ query, documents: block.documents, mask: block.mask });
      block.rows.forEach((d, r) => {
        out[d] = (logits.data as Float32Array)[r];
      });
    }
    return out;
  };
  return {
    scores,
    search: async (text, k) => bestOf(await scores(text), k),
    dispose: async () => {
      await encoder.dispose();
      await compare.dispose();
    },
  };
}
