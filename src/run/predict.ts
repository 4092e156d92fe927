import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { padIdOf } from '../data/batching.ts';
import { createTokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { softmaxRows } from '../evaluate/matrix.ts';
import { readModelFolder } from '../export/folder.ts';
import { findOnnx } from '../export/onnx-files.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { labelNamesOf } from '../nn/auto.ts';
import { tokenInputs } from '../teachers/local.ts';
import { encodeFeatures, encodeImages, type PixelScale } from '../train/encoded.ts';
import { DecantError } from '../util/errors.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { feedsOf, openOnnx } from './open-onnx.ts';

/** What a classifier says about one input. */
export interface Prediction {
  readonly label: string;
  /** Probability of the label. */
  readonly score: number;
  /** The likeliest classes, the label first. */
  readonly top: readonly { readonly label: string; readonly score: number }[];
}

export interface PredictOptions {
  /** Variant of onnx/model.onnx; default fp32. */
  dtype?: 'fp32' | 'q8';
  /** Inputs per call of the model; default 32. */
  batchSize?: number;
  /** How many classes `top` holds; default 1. */
  topK?: number;
}

/** A model folder, opened for answering. */
export interface Predictor {
  readonly classes: readonly string[];
  readonly kind: 'text' | 'image' | 'features';
  /** Names of the numbers it reads, in order, where the folder has them. */
  readonly featureNames?: readonly string[];
  /** Logits `[examples, classes]`. */
  logits(examples: readonly Example[]): Promise<NDArray>;
  predict(
    inputs: readonly (string | Example)[],
    options?: Pick<PredictOptions, 'topK'>,
  ): Promise<Prediction[]>;
  /** Tokens that the model reads of a text, before it is cut; 0 where it reads no tokens. */
  countTokens(text: string): number;
  close(): Promise<void>;
}

/** Opens a classifier's folder (as `decant run` wrote it, or any with config.json, tokenizer.json and onnx/model.onnx). */
export async function openPredictor(path: string, options: PredictOptions = {}): Promise<Predictor> {
  const folder = await readModelFolder(diskFolder(path), ['config']);
  const classes = labelNamesOf(folder.config!);
  const file = findOnnx(folder.files, options.dtype ?? 'fp32', path);
  const architecture = (folder.config!.architectures as string[] | undefined)?.[0] ?? '';
  if (/CausalLM|LMHeadModel/.test(architecture))
    throw new DecantError('model', 'this is a language model, not a classifier', {
      at: path,
      seen: architecture,
      fix: 'serve it with "decant serve"',
    });
  const opened = await openOnnx(join(path, file), ['logits']);
  const { session } = opened;
  const tokenizer = folder.tokenizer && createTokenizer(folder.tokenizer, folder.tokenizerConfig);
  const maxLength = Number(
    folder.tokenizerConfig?.model_max_length ?? folder.config!.max_position_embeddings ?? 512,
  );
  if (!tokenizer && session.inputNames.includes('input_ids'))
    throw new DecantError('model', 'the model reads tokens and the folder has no tokenizer.json', {
      at: path,
      fix: 'put tokenizer.json (and tokenizer_config.json) into the folder',
    });
  const scales = folder.files.includes('preprocessor_config.json')
    ? await readScales(join(path, 'preprocessor_config.json'))
    : ({} as Awaited<ReturnType<typeof readScales>>);
  const kind = tokenizer ? 'text' : session.inputNames.includes('pixel_values') ? 'image' : 'features';
  const inputsOf = (examples: readonly Example[]): Record<string, NDArray> => {
    if (tokenizer) {
      padIdOf(tokenizer);
      return tokenInputs(examples, tokenizer, maxLength);
    }
    const rows = Array.from({ length: examples.length }, (_, i) => i);
    if (scales.pixels && examples[0].image) return encodeImages(examples, scales.pixels).inputs(rows);
    const bare = examples.find((e) => !e.features);
    if (bare)
      throw new DecantError('data', 'this model reads numbers, not text', {
        at: `${bare.file}:${bare.line}`,
        fix: 'give a table with a column for each number: decant predict FOLDER --file rows.csv',
      });
    const width = scales.features?.mean.length ?? examples[0].features!.length;
    const odd = examples.find((e) => e.features!.length !== width);
    if (odd)
      throw new DecantError('data', 'the model reads another number of features', {
        at: `${odd.file}:${odd.line}`,
        seen: odd.features!.length,
        allowed: String(width),
      });
    const asTheyAre = { mean: new Array<number>(width).fill(0), std: new Array<number>(width).fill(1) };
    return encodeFeatures(examples, scales.features ?? asTheyAre).inputs(rows);
  };
  const names = classes ?? [];
  const logits = async (examples: readonly Example[]): Promise<NDArray> => {
    const parts: Float32Array[] = [];
    let width = names.length;
    const size = options.batchSize ?? 32;
    for (let i = 0; i < examples.length; i += size) {
      const given = inputsOf(examples.slice(i, i + size));
      const out = (await session.run(feedsOf(opened, given))).logits;
      width = out.dims[1];
      if (names.length > 0 && width !== names.length)
        throw new DecantError(
          'model',
          'the model puts out another number of scores than it has class names',
          {
            at: join(path, 'config.json'),
            seen: `${names.length} names in id2label`,
            allowed: `${width}`,
          },
        );
      parts.push(out.data as Float32Array);
    }
    const all = new Float32Array(examples.length * width);
    let at = 0;
    for (const p of parts) {
      all.set(p, at);
      at += p.length;
    }
    return ndarray(all, [examples.length, width]);
  };
  return {
    classes: names,
    kind,
    featureNames: scales.names,
    logits,
    async predict(inputs, { topK = options.topK ?? 1 } = {}) {
      const examples = inputs.map(
        (x, i): Example => (typeof x === 'string' ? { file: 'input', line: i + 1, text: x } : x),
      );
      if (examples.length === 0) return [];
      const p = softmaxRows(await logits(examples));
      return examples.map((_, r) => {
        const row = p.data.subarray(r * p.cols, (r + 1) * p.cols);
        const order = Array.from(row.keys()).sort((a, b) => row[b] - row[a]);
        const top = order
          .slice(0, Math.max(1, topK))
          .map((c) => ({ label: names[c] ?? `LABEL_${c}`, score: row[c] }));
        return { ...top[0], top };
      });
    },
    countTokens: (text) => tokenizer?.encode(text).length ?? 0,
    close: () => session.release(),
  };
}

/** How raw pixels or feature vectors were scaled in training, and the names of the features. */
export async function readScales(
  path: string,
): Promise<{ pixels?: PixelScale; features?: PixelScale; names?: string[] }> {
  const c = JSON.parse(await readFile(path, 'utf8')) as Record<string, number[] | undefined> & {
    feature_names?: string[];
  };
  return {
    ...(c.image_mean && c.image_std ? { pixels: { mean: c.image_mean, std: c.image_std } } : {}),
    ...(c.feature_mean && c.feature_std ? { features: { mean: c.feature_mean, std: c.feature_std } } : {}),
    ...(c.feature_names ? { names: c.feature_names } : {}),
  };
}

/** One-off prediction: opens the folder, answers, closes it. */
export async function predict(
  path: string,
  inputs: readonly string[],
  options: PredictOptions = {},
): Promise<Prediction[]> {
  const predictor = await openPredictor(path, options);
  try {
    return await predictor.predict(inputs, options);
  } finally {
    await predictor.close();
  }
}
