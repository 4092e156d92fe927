import { join } from 'node:path';
import { padIdOf } from '../../data/batching.ts';
import type { Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import { type ModelFolder, readModelFolder } from '../../export/folder.ts';
import { findOnnx } from '../../export/onnx-files.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import type { AnyModel } from '../../nn/model.ts';
import { DecantError } from '../../util/errors.ts';
import { diskFolder } from '../../util/node/disk-folder.ts';
import type { Embedder } from '../embed.ts';
import { feedsOf, openOnnx } from '../open-onnx.ts';
import { folderTokenizer } from '../text.ts';
import { MOST_QUERY, rankerFromConfig, rankerOf, sides, type TextList } from './build.ts';
import { textInputs } from './export.ts';
import { scoreLists } from './score.ts';

/** Scores of all documents that were encoded ahead, for one query. */
export type DenseScores = (query: string) => Promise<Float32Array>;

/** A ranker's folder, opened. A higher score is better; scores are no probabilities. */
export interface Ranker {
  /** Scores of every list's documents: logits, products of vectors, or sums of the best products of token vectors. */
  score(lists: readonly TextList[]): Promise<Float32Array[]>;
  /** Encodes documents ahead, for models that read them without the query. */
  readonly encode?: (documents: readonly string[]) => Promise<DenseScores>;
  countTokens(text: string): number;
  close(): Promise<void>;
}

export interface OpenRankerOptions {
  readonly dtype?: 'fp32' | 'q8';
}

/** The model of a folder whose ONNX file ranks; encoders of whole texts are opened as embedders. */
function rankerModel(config: Readonly<Record<string, unknown>>): AnyModel | undefined {
  const model = rankerFromConfig(config);
  return model?.architecture === 'DualEncoder' ? undefined : model;
}

/** Whether a config.json describes a model that scores texts for a query. A classifier ranks when it has one label. */
export const isRanker = (config: Readonly<Record<string, unknown>>): boolean =>
  rankerModel(config) !== undefined;

/** Opens the ONNX file of a ranker's folder. Errors: `model`. */
export async function openRanker(path: string, options: OpenRankerOptions = {}): Promise<Ranker> {
  const folder = await readModelFolder(diskFolder(path), ['config']);
  const model = rankerModel(folder.config!);
  if (!model)
    throw new DecantError('model', 'the folder holds no ranker', {
      at: join(path, 'config.json'),
      seen: (folder.config!.architectures as string[] | undefined)?.[0] ?? null,
    });
  const file = findOnnx(folder.files, options.dtype ?? 'fp32', path);
  const parts = {
    model,
    tokenizer: folderTokenizer(folder, path),
    lengths: lengthsOf(folder),
    file: join(path, file),
  };
  return model.architecture === 'HF_ColBERT' ? tokenRanker(parts) : listRanker(parts);
}

interface Parts {
  readonly model: AnyModel;
  readonly tokenizer: Tokenizer;
  readonly lengths: { readonly query: number; readonly document: number };
  readonly file: string;
}

/** Longest query and document in tokens; folders of other programs say only how much both may be together. */
export function lengthsOf({ config, tokenizerConfig }: ModelFolder): Parts['lengths'] {
  const limit = Math.min(
    Number(tokenizerConfig?.model_max_length ?? Number.POSITIVE_INFINITY),
    Number(config!.max_position_embeddings ?? 512),
  );
  const query = Number(config!.query_maxlen ?? Math.min(MOST_QUERY, Math.floor(limit / 2)));
  return { query, document: Number(config!.doc_maxlen ?? limit - query) };
}

/** A ranker whose documents are encoded ahead also scores lists. */
function denseRanker(
  encode: NonNullable<Ranker['encode']>,
  rest: Pick<Ranker, 'countTokens' | 'close'>,
): Ranker {
  return {
    encode,
    async score(lists) {
      const out: Float32Array[] = [];
      for (const { query, documents } of lists) out.push(await (await encode(documents))(query));
      return out;
    },
    ...rest,
  };
}

/** Ranks by products of an embedder's vectors. */
export function embedderRanker(queries: Embedder, documents: Embedder = queries): Ranker {
  return denseRanker(
    async (texts) => {
      const { vectors } = await documents.embed(texts);
      return async (query) => {
        const [asked] = (await queries.embed([query])).vectors;
        return Float32Array.from(vectors, (v) => v.reduce((sum, x, i) => sum + x * asked[i], 0));
      };
    },
    {
      countTokens: (text) => queries.countTokens(text),
      async close() {
        await queries.close();
        if (documents !== queries) await documents.close();
      },
    },
  );
}

type Run = (inputs: Record<string, NDArray>) => Promise<NDArray>;

/** An ONNX file of which one output is read. */
async function openFile(file: string, output: string): Promise<{ run: Run; close(): Promise<void> }> {
  const opened = await openOnnx(file, [output]);
  return {
    async run(inputs) {
      const { data, dims } = (await opened.session.run(feedsOf(opened, inputs)))[output];
      return ndarray(data as Float32Array, [...dims]);
    },
    close: () => opened.session.release(),
  };
}

/** Models that read query and document together. */
async function listRanker({ model, tokenizer, lengths, file }: Parts): Promise<Ranker> {
  const built = rankerOf(model, tokenizer, lengths);
  const { run, close } = await openFile(file, 'logits');
  return {
    score: (lists) => scoreLists(built, lists, run),
    countTokens: (text) => tokenizer.encode(text).length,
    close,
  };
}

/** Late interaction: for every token of the query its best product among the document's tokens, summed. */
async function tokenRanker({ model, tokenizer, lengths, file }: Parts): Promise<Ranker> {
  const of = sides(model, tokenizer, lengths);
  const pad = padIdOf(tokenizer);
  const { run, close } = await openFile(file, 'token_embeddings');
  const encoded = async (texts: readonly (readonly number[])[]): Promise<Float32Array[]> => {
    const out: Float32Array[] = [];
    for (let from = 0; from < texts.length; from += 32) {
      const part = texts.slice(from, from + 32);
      const { data, shape } = await run(textInputs(part, pad));
      const [, tokens, width] = shape as readonly number[];
      part.forEach((ids, r) => {
        const at = r * tokens * width;
        out.push((data as Float32Array).slice(at, at + ids.length * width));
      });
    }
    return out;
  };
  const width = Number(model.config.dim);
  return denseRanker(
    async (documents) => {
      const states = await encoded(documents.map(of.document));
      return async (query) => {
        const [asked] = await encoded([of.query(query)]);
        return Float32Array.from(states, (state) => maxSim(asked, state, width));
      };
    },
    { countTokens: (text) => tokenizer.encode(text).length, close },
  );
}

function maxSim(query: Float32Array, document: Float32Array, width: number): number {
  let sum = 0;
  for (let q = 0; q < query.length; q += width) {
    let best = Number.NEGATIVE_INFINITY;
    for (let d = 0; d < document.length; d += width) {
      let product = 0;
      for (let i = 0; i < width; i++) product += query[q + i] * document[d + i];
      if (product > best) best = product;
    }
    sum += best;
  }
  return sum;
}

/** Documents of a list, best first; equal scores keep their order. */
export const ranked = (scores: ArrayLike<number>): { index: number; score: number }[] =>
  Array.from(scores, (score, index) => ({ index, score })).sort((a, b) => b.score - a.score);
