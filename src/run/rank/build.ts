import { resolve } from 'node:path';
import { chooseBuckets, paddedLength, padIdOf } from '../../data/batching.ts';
import type { Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import { readModelFolder } from '../../export/folder.ts';
import { assertShapes } from '../../export/shapes.ts';
import { castArray, type NDArray, ndarray } from '../../graph/index.ts';
import { architectureCatalogue } from '../../nn/catalogue.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import { colbert } from '../../nn/models/colbert.ts';
import { crossEncoder } from '../../nn/models/cross-encoder.ts';
import { dualEncoder } from '../../nn/models/dual-encoder.ts';
import { kernelPooling } from '../../nn/models/kernel-pooling.ts';
import { prett } from '../../nn/models/prett.ts';
import type { Params } from '../../nn/params.ts';
import { DecantError } from '../../util/errors.ts';
import { diskFolder } from '../../util/node/disk-folder.ts';
import type { ModelSettings } from '../build.ts';
import { tokenizerDefaults, tokenizerFor, tokenizerFromFolder, usualMaxLength } from '../text.ts';
import { startFromCollection } from './word-vectors.ts';

/** A query with texts to be scored. */
export interface TextList {
  readonly query: string;
  readonly documents: readonly string[];
}

export interface EncodedLists {
  readonly size: number;
  /** Tokens of the longest document of each list. */
  readonly lengths: readonly number[];
  /** Model inputs of chosen lists, which must be equally long. */
  inputs(rows: readonly number[]): Record<string, NDArray>;
}

/** A ranker with what turns texts into its inputs. */
export interface BuiltRanker {
  readonly model: AnyModel;
  readonly start?: Params<NDArray>;
  readonly tokenizer: Tokenizer;
  /** Longest query and document in tokens; a pair model reads both together in their sum. */
  readonly queryLength: number;
  readonly documentLength: number;
  lists(lists: readonly TextList[], buckets?: number): EncodedLists;
}

export interface RankerInfo {
  readonly documents: readonly string[];
  readonly queries: readonly string[];
  readonly baseDir: string;
  /** `student` or `teacher`, for messages. */
  readonly at: string;
}

/** Longest query that is read whole. */
export const MOST_QUERY = 64;
/** [MASK] tokens behind a query of a late-interaction model (query augmentation of ColBERT; 8 in the Margin-MSE paper). */
const AUGMENTED = 8;

/** Builds a ranker for a collection: tokenizer, lengths, model. Errors: `recipe`, `model`. */
export async function buildRanker(settings: ModelSettings, info: RankerInfo): Promise<BuiltRanker> {
  if (settings.from) return rankerFromFolder(resolve(info.baseDir, settings.from), settings, info);
  const wanted = settings.tokenizer ?? tokenizerDefaults;
  const tokenizer = await tokenizerFor(
    wanted.from ? { ...wanted, from: resolve(info.baseDir, wanted.from) } : wanted,
    [...info.documents, ...info.queries],
    512,
  );
  const lengths = lengthsFor(tokenizer, info, settings.maxLength, 512);
  const entry = architectureCatalogue[settings.architecture ?? ''];
  if (!entry?.tasks.includes('rank'))
    throw new DecantError('recipe', entry ? 'the architecture does not rank' : 'unknown architecture', {
      at: `${info.at}.architecture`,
      seen: settings.architecture,
      allowed: Object.entries(architectureCatalogue)
        .filter(([, a]) => a.tasks.includes('rank'))
        .map(([n]) => n)
        .join(', '),
    });
  const given =
    settings.architecture === 'prett' ? { maxQuery: lengths.query, ...settings.options } : settings.options;
  const parsed = entry.options.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DecantError('recipe', issue.message, {
      at: [info.at, 'options', ...issue.path].join('.'),
      seen: settings.options,
    });
  }
  const model = entry.make(parsed.data as never, {
    vocabSize: tokenizer.size,
    // a cross-encoder reads both, and a query may be the longer side
    maxLength: lengths.query + lengths.document,
    padId: padIdOf(tokenizer),
  }) as AnyModel;
  const { vectors } = parsed.data as { vectors?: string };
  const start = vectors === 'collection' ? startFromCollection(model, tokenizer, info.documents) : undefined;
  return rankerOf(model, tokenizer, lengths, start);
}

interface Lengths {
  query: number;
  document: number;
}

function lengthsFor(
  tokenizer: Tokenizer,
  info: RankerInfo,
  asked: number | undefined,
  limit: number,
): Lengths {
  const query = Math.min(MOST_QUERY, usualMaxLength(tokenizer, info.queries, MOST_QUERY));
  const document = asked ?? usualMaxLength(tokenizer, info.documents, limit - query);
  return { query, document: Math.max(4, Math.min(document, limit - query)) };
}

type Config = Readonly<Record<string, unknown>>;

/** Rankers of config.json files. A plain encoder becomes a dual encoder of its own weights. */
const ARCHITECTURES: Readonly<Record<string, (c: Config) => AnyModel>> = {
  DualEncoder: (c) => dualEncoder(c),
  SentenceEncoder: (c) => dualEncoder(c),
  BertModel: (c) => dualEncoder({ ...c, encoder: 'bert', normalize: false }),
  DistilBertModel: (c) => dualEncoder({ ...c, encoder: 'distilbert', normalize: false }),
  HF_ColBERT: (c) => colbert(c),
  PrettForSequenceClassification: (c) => prett(c),
  KernelPooling: (c) => kernelPooling(c),
  BertForSequenceClassification: (c) => crossEncoder(c),
};

/** The ranker that a config.json describes, or undefined. A classifier of several classes is none. */
export function rankerFromConfig(config: Config): AnyModel | undefined {
  const name = (config.architectures as string[] | undefined)?.[0] ?? '';
  const labels =
    config.num_labels ?? Object.keys((config.id2label as object | undefined) ?? { 0: '' }).length;
  if (/SequenceClassification/.test(name) && labels !== 1) return undefined;
  return ARCHITECTURES[name]?.(config);
}

/** A ranker of a model folder. Errors: `model`. */
export async function rankerFromFolder(
  path: string,
  settings: Pick<ModelSettings, 'maxLength'>,
  info: RankerInfo,
): Promise<BuiltRanker> {
  const folder = await readModelFolder(diskFolder(path), ['config', 'weights', 'tokenizer']);
  const model = rankerFromConfig(folder.config!);
  if (!model)
    throw new DecantError('model', 'the folder holds no ranker', {
      at: path,
      seen: (folder.config!.architectures as string[] | undefined)?.[0] ?? null,
      allowed: `${Object.keys(ARCHITECTURES).join(', ')} (classifiers with one label)`,
    });
  const read = await folder.checkpoint!.readAll();
  const stored = Object.entries(model.params).filter(([, p]) => p.tiedTo === undefined);
  // the head of a cross-encoder that starts from a plain encoder is new
  const fresh = stored.filter(
    ([n]) => !read.has(n) && /classifier|pooler|projection|^linear\.|^log_scale$/.test(n),
  );
  const own = stored.filter((entry) => !fresh.includes(entry));
  assertShapes(Object.fromEntries(own.map(([n, p]) => [n, p.shape])), folder.checkpoint!.shapes, {
    at: path,
    allowUnexpected: true,
  });
  const start = {
    ...init({ params: Object.fromEntries(fresh) } as unknown as AnyModel, 'head'),
    ...Object.fromEntries(own.map(([n]) => [n, castArray(read.get(n)!, 'float32')])),
  };
  const tokenizer = await tokenizerFromFolder(path);
  const limit = Number(folder.config!.max_position_embeddings ?? 512);
  return rankerOf(model, tokenizer, lengthsFor(tokenizer, info, settings.maxLength, limit), start);
}

const isPairModel = (model: AnyModel): boolean => model.inputs.document_input_ids === undefined;
const isLate = (model: AnyModel): boolean => model.architecture === 'HF_ColBERT';

/** A ranker of a model, its tokenizer and the longest query and document. */
export function rankerOf(
  model: AnyModel,
  tokenizer: Tokenizer,
  lengths: Lengths,
  start?: Params<NDArray>,
): BuiltRanker {
  const shared = {
    model,
    start,
    tokenizer,
    queryLength: lengths.query,
    documentLength: lengths.document,
  };
  if (isPairModel(model)) return { ...shared, lists: pairLists(model, tokenizer, lengths) };
  return { ...shared, lists: apartLists(model, tokenizer, lengths) };
}

/** Token ids by text, each text once. */
export function cached(encode: (text: string) => readonly number[]): (text: string) => readonly number[] {
  const known = new Map<string, readonly number[]>();
  return (text) => {
    let ids = known.get(text);
    if (!ids) {
      ids = encode(text);
      known.set(text, ids);
    }
    return ids;
  };
}

/** Query and document as the model's sides read them. */
export function sides(
  model: AnyModel,
  tokenizer: Tokenizer,
  { query, document }: Lengths,
): Record<'query' | 'document', (text: string) => readonly number[]> {
  const late = isLate(model) && tokenizer.special.mask !== undefined;
  const masks = late ? new Array<number>(AUGMENTED).fill(tokenizer.special.mask!) : [];
  const bare = model.architecture === 'PrettForSequenceClassification';
  const before = bare ? tokenizer.around.before.length : 0;
  return {
    query: cached((t) => [...tokenizer.encode(t, { maxLength: query }), ...masks]),
    document: cached((t) => tokenizer.encode(t, { maxLength: document + before }).slice(before)),
  };
}

type MakeLists = BuiltRanker['lists'];

/** Widths that lists are padded to: few, so that few graphs are made. */
function widthOf(lengths: readonly number[], buckets: number): (longest: number) => number {
  if (buckets > 0 && lengths.length > 0) {
    const chosen = chooseBuckets(lengths, buckets);
    return (longest) => paddedLength(longest, chosen);
  }
  return (longest) => Math.ceil(longest / 8) * 8;
}

const matrix = (
  rows: readonly (readonly number[])[],
  width: number,
  pad: number,
): { ids: Int32Array; mask: Int32Array } => {
  const ids = new Int32Array(rows.length * width).fill(pad);
  const mask = new Int32Array(rows.length * width);
  rows.forEach((row, r) => {
    ids.set(row, r * width);
    mask.fill(1, r * width, r * width + row.length);
  });
  return { ids, mask };
};

/** Inputs of models that read query and document apart: `[batch, query]` and `[batch, documents, tokens]`. */
const apartLists =
  (model: AnyModel, tokenizer: Tokenizer, lengths: Lengths): MakeLists =>
  (lists, buckets = 0) => {
    const pad = padIdOf(tokenizer);
    const of = sides(model, tokenizer, lengths);
    const longest = lists.map((l) => Math.max(1, ...l.documents.map((d) => of.document(d).length)));
    const documentWidth = widthOf(longest, buckets);
    const queryWidth = widthOf(
      lists.map((l) => of.query(l.query).length),
      buckets > 0 ? 1 : 0,
    );
    return {
      size: lists.length,
      lengths: longest,
      inputs(rows) {
        const n = lists[rows[0]].documents.length;
        const asked = rows.map((i) => of.query(lists[i].query));
        const wide = queryWidth(Math.max(...asked.map((q) => q.length)));
        const q = matrix(asked, wide, pad);
        const width = documentWidth(Math.max(...rows.map((i) => longest[i])));
        const d = matrix(
          rows.flatMap((i) => lists[i].documents.map((t) => of.document(t))),
          width,
          pad,
        );
        const queryShape = [rows.length, wide];
        const shape = [rows.length, n, width];
        return {
          query_input_ids: ndarray(q.ids, queryShape),
          query_attention_mask: ndarray(q.mask, queryShape),
          document_input_ids: ndarray(d.ids, shape),
          document_attention_mask: ndarray(d.mask, shape),
        };
      },
    };
  };

/** Inputs of a cross-encoder: pairs as one text, `[batch, documents, tokens]`. */
const pairLists =
  (model: AnyModel, tokenizer: Tokenizer, lengths: Lengths): MakeLists =>
  (lists, buckets = 0) => {
    const pad = padIdOf(tokenizer);
    const query = cached((t) => tokenizer.encode(t, { addSpecial: false, maxLength: lengths.query }));
    const known = new Map<string, { ids: number[]; typeIds: number[] }>();
    const pairOf = (q: string, d: string): { ids: number[]; typeIds: number[] } => {
      const key = `${q}\u0000${d}`;
      let pair = known.get(key);
      if (!pair) {
        pair = tokenizer.encodePair(q, d, { maxLength: query(q).length + lengths.document });
        known.set(key, pair);
      }
      return pair;
    };
    const longest = lists.map((l) => Math.max(1, ...l.documents.map((d) => pairOf(l.query, d).ids.length)));
    const width = widthOf(longest, buckets);
    return {
      size: lists.length,
      lengths: longest,
      inputs(rows) {
        const n = lists[rows[0]].documents.length;
        const pairs = rows.flatMap((i) => lists[i].documents.map((d) => pairOf(lists[i].query, d)));
        const wide = width(Math.max(...rows.map((i) => longest[i])));
        const { ids, mask } = matrix(
          pairs.map((p) => p.ids),
          wide,
          pad,
        );
        const types = matrix(
          pairs.map((p) => p.typeIds),
          wide,
          0,
        ).ids;
        // single pairs are what the model's own inputs are; longer lists are laid out in training only
        const shape = n === 1 ? [rows.length, wide] : [rows.length, n, wide];
        return {
          input_ids: ndarray(ids, shape),
          attention_mask: ndarray(mask, shape),
          ...(model.inputs.token_type_ids ? { token_type_ids: ndarray(types, shape) } : {}),
        };
      },
    };
  };
