import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';
import { modelFromConfig } from './auto.ts';
import type { AnyModel } from './model.ts';
import type { DecoderModel } from './models/llama.ts';
import type { Params } from './params.ts';

/** Which layers a student takes: every k-th, counted from the first (0, k, 2k, …), or a list in the order wanted. */
export type LayerChoice = { readonly every: number } | { readonly layers: readonly number[] };

export interface Student<M extends AnyModel | DecoderModel = AnyModel | DecoderModel> {
  readonly model: M;
  readonly params: Params<NDArray>;
  /** Teacher's layer of each student layer. */
  readonly from: readonly number[];
}

type Source = Pick<AnyModel, 'config' | 'params' | 'architecture'>;

/** Where layers are numbered in parameter names, and the key of config.json that counts them. */
const STACKS: readonly { path: RegExp; count: string }[] = [
  { path: /^((?:[a-z]+\.)?transformer\.layer\.)(\d+)(\..+)$/, count: 'n_layers' },
  { path: /^(transformer\.h\.)(\d+)(\..+)$/, count: 'n_layer' },
  { path: /^((?:[a-z]+\.)?encoder\.layer\.|model\.layers\.)(\d+)(\..+)$/, count: 'num_hidden_layers' },
];

const stackOf = (model: Source) => {
  const stack = STACKS.find(
    (s) => s.count in model.config && Object.keys(model.params).some((n) => s.path.test(n)),
  );
  if (stack) return { ...stack, layers: model.config[stack.count] as number };
  throw new DecantError('model', 'layers cannot be taken from this architecture', {
    seen: model.architecture,
    allowed: 'BERT, DistilBERT, GPT-2, Llama, Qwen and ViT models',
  });
};

function layerList(choice: LayerChoice, count: number): number[] {
  if ('every' in choice) {
    if (!Number.isInteger(choice.every) || choice.every < 1)
      throw new DecantError('model', 'every k-th layer needs a positive integer', {
        at: 'every',
        seen: choice.every,
      });
    return Array.from({ length: Math.ceil(count / choice.every) }, (_, i) => i * choice.every);
  }
  const wrong = choice.layers.find((l) => !Number.isInteger(l) || l < 0 || l >= count);
  if (wrong !== undefined || choice.layers.length === 0)
    throw new DecantError('model', 'the teacher has no such layer', {
      at: 'layers',
      seen: wrong ?? [],
      allowed: `0 to ${count - 1}`,
    });
  return [...choice.layers];
}

/**
 * A student made of chosen layers of a teacher (Sanh et al. 2019, section 3, take every other): its embeddings, norms
 * and heads are the teacher's, its layer i is the teacher's layer `from[i]`.
 */
export function layersFrom(teacher: Source, params: Params<NDArray>, choice: LayerChoice): Student {
  const stack = stackOf(teacher);
  const from = layerList(choice, stack.layers);
  const config: Record<string, unknown> = { ...teacher.config, [stack.count]: from.length };
  // Qwen's files also list what each layer is
  if (Array.isArray(config.layer_types))
    config.layer_types = from.map((l) => (config.layer_types as unknown[])[l]);
  const model = modelFromConfig({ ...config, architectures: [teacher.architecture] });
  const taken = Object.entries(model.params)
    .filter(([, p]) => p.tiedTo === undefined)
    .map(([name]): [string, NDArray] => {
      const m = stack.path.exec(name);
      return [name, arrayOf(params, m ? `${m[1]}${from[Number(m[2])]}${m[3]}` : name)];
    });
  return { model, params: Object.fromEntries(taken), from };
}

function arrayOf(params: Params<NDArray>, name: string): NDArray {
  if (params[name]) return params[name];
  throw new DecantError('model', `parameter '${name}' is missing`, {
    fix: "give the teacher's own model together with all its parameters",
  });
}

/** Parameters with one row per token, by the end of their names. */
const ROWS = /(^|\.)(word_embeddings|wte|embed_tokens|lm_head|token_embedding)\.weight$/;

/**
 * The same model for a smaller vocabulary: `kept[newId] = oldId` says which rows of the embeddings (and of an output
 * layer of its own) stay, as `trimTokenizer` gives it. Token ids in the config move along; those given up become null.
 */
export function trimVocabulary(
  model: Source,
  params: Params<NDArray>,
  kept: ArrayLike<number>,
): { model: AnyModel | DecoderModel; params: Params<NDArray> } {
  const old = model.config.vocab_size;
  const rows = Object.keys(model.params).filter((n) => ROWS.test(n));
  if (typeof old !== 'number' || rows.length === 0) {
    throw new DecantError('model', 'the vocabulary of this architecture cannot be trimmed', {
      seen: model.architecture,
      allowed: 'BERT, DistilBERT, GPT-2, Llama and Qwen models',
    });
  }
  const ids = Array.from(kept);
  const outside = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= old);
  if (outside !== undefined)
    throw new DecantError('model', 'a kept token is outside the vocabulary', {
      at: 'kept',
      seen: outside,
      allowed: `0 to ${old - 1}`,
    });
  const renumber = new Map(ids.map((id, i) => [id, i]));
  const move = (id: unknown): unknown => (typeof id === 'number' ? (renumber.get(id) ?? null) : id);
  const config = Object.fromEntries(
    Object.entries(model.config).map(([key, value]) => {
      if (key === 'vocab_size') return [key, ids.length];
      if (!/_token_ids?$/.test(key)) return [key, value];
      return [key, Array.isArray(value) ? value.map(move).filter((id) => id !== null) : move(value)];
    }),
  );
  const smaller = modelFromConfig({ ...config, architectures: [model.architecture] });
  const trimmed = Object.entries(smaller.params)
    .filter(([, p]) => p.tiedTo === undefined)
    .map(([name]): [string, NDArray] => {
      const a = arrayOf(params, name);
      return [name, ROWS.test(name) ? pickRows(a, ids) : a];
    });
  return { model: smaller, params: Object.fromEntries(trimmed) };
}

function pickRows(a: NDArray, rows: readonly number[]): NDArray {
  const width = a.shape[1];
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    out.set((a.data as Float32Array).subarray(row * width, (row + 1) * width), i * width);
  });
  return ndarray(out, [rows.length, width]);
}
