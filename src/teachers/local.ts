import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { padIdOf } from '../data/batching.ts';
import { createTokenizer, type Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import type { Engine } from '../engine/engine.ts';
import { readModelFolder } from '../export/folder.ts';
import { assertShapes } from '../export/shapes.ts';
import { castArray, type NDArray, ndarray } from '../graph/index.ts';
import { isDecoder, labelNamesOf, modelFromConfig } from '../nn/auto.ts';
import { createInference } from '../nn/inference.ts';
import { outputLayer } from '../nn/output-layer.ts';
import { countParams } from '../nn/params.ts';
import { DecantError } from '../util/errors.ts';
import { parseJsonObject } from '../util/json-text.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { contentHash, fileHash } from '../util/node/hash.ts';
import { hiddenReader, inParts } from './hidden.ts';
import { openOnnxHidden } from './onnx-hidden.ts';
import type { Teacher } from './teacher.ts';

export interface LocalTeacherOptions {
  engine: Engine;
  /** Class names in the order of the outputs, where the model does not say. */
  classes?: readonly string[];
  /** Longest input in tokens; default: what the model takes. */
  maxLength?: number;
  batchSize: number;
}

/** A classifier in the Hugging Face layout: by its weights where the architecture is known, else by its ONNX file. */
export async function folderTeacher(path: string, options: LocalTeacherOptions): Promise<Teacher> {
  const folder = await readModelFolder(diskFolder(path), ['config']);
  const tokenizer = folder.tokenizer && createTokenizer(folder.tokenizer, folder.tokenizerConfig);
  const scale = await scaleBeside(path);
  const classes = options.classes ?? labelNamesOf(folder.config!);
  const limit = Number(folder.config!.max_position_embeddings ?? 512);
  const maxLength = Math.min(options.maxLength ?? limit, limit);
  if (!folder.checkpoint) {
    const onnx = folder.onnx.find((p) => p === 'onnx/model.onnx') ?? folder.onnx[0];
    if (!onnx)
      throw new DecantError('model', 'the folder has neither model.safetensors nor an ONNX file', {
        at: path,
      });
    return onnxTeacher(join(path, onnx), { ...options, classes, tokenizer, maxLength });
  }
  const model = modelFromConfig(folder.config!);
  if (isDecoder(model))
    throw new DecantError('model', 'the folder holds a decoder, not a classifier', {
      at: path,
      seen: model.architecture,
    });
  const params = Object.fromEntries(
    [...(await folder.checkpoint.readAll())].map(([n, a]) => [n, castArray(a, 'float32')]),
  );
  const own = Object.entries(model.params).filter(([, p]) => p.tiedTo === undefined);
  assertShapes(Object.fromEntries(own.map(([n, p]) => [n, p.shape])), folder.checkpoint.shapes, {
    at: path,
    allowUnexpected: true,
  });
  const inference = createInference(options.engine, model);
  await inference.setParams(params);
  const activations = hiddenReader(options.engine, model, params);
  const given = (rows: readonly Example[]): Record<string, NDArray> =>
    Object.fromEntries(
      Object.entries(inputsFor(rows, tokenizer, maxLength, path, scale)).filter(
        ([name]) => model.inputs[name],
      ),
    );
  const hashes = await Promise.all(folder.checkpoint.files.map((f) => fileHash(join(path, f.path))));
  return {
    name: `${model.architecture} of ${path}`,
    id: `folder:${contentHash([hashes, folder.texts.tokenizer ?? '', maxLength, ...(scale ? [scale] : [])])}`,
    signals: ['logits', 'topk', 'hidden'],
    parameters: countParams(model.params),
    classes,
    logits: async (examples) =>
      (await inParts(examples, options.batchSize, (rows) => inference.run(given(rows)))).logits,
    hidden: (examples, paths) =>
      inParts(examples, options.batchSize, (rows) => activations.read(given(rows), paths)),
    outputLayer: async () => outputLayer(model, params),
    close: async () => {
      await inference.dispose();
      await activations.dispose();
    },
  };
}

export interface OnnxTeacherOptions extends LocalTeacherOptions {
  tokenizer?: Tokenizer;
}

/** Any ONNX classifier: token ids, pixels or features in, `logits` (or its only output) out. */
export async function onnxTeacher(path: string, options: OnnxTeacherOptions): Promise<Teacher> {
  const ort = await import('onnxruntime-node');
  const bytes = await readFile(path).catch((cause) => {
    throw new DecantError('model', 'cannot read the ONNX file', { at: path, cause });
  });
  let session: import('onnxruntime-node').InferenceSession;
  try {
    session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  } catch (cause) {
    throw new DecantError('model', `onnxruntime does not open the file: ${(cause as Error).message}`, {
      at: path,
      cause,
    });
  }
  const output = session.outputNames.includes('logits') ? 'logits' : session.outputNames[0];
  if (session.outputNames.length > 1 && output !== 'logits') {
    throw new DecantError('model', 'the model has several outputs and none is called logits', {
      at: path,
      seen: session.outputNames.join(', '),
      fix: 'rename the output',
    });
  }
  const tokenizer = options.tokenizer ?? (await tokenizerBeside(path));
  const classes = options.classes ?? (await classesBeside(path));
  const scale = (await scaleBeside(dirname(path))) ?? (await scaleBeside(dirname(dirname(path))));
  const feedsOf = (rows: readonly Example[]) => {
    const given = inputsFor(rows, tokenizer, options.maxLength ?? 512, path, scale);
    return Object.fromEntries(
      session.inputNames.map((name) => {
        const a =
          given[name] ??
          (session.inputNames.length === 1 ? Object.values(given)[0] : undefined) ??
          zerosLike(given.input_ids, name, path);
        const wide = a.dtype === 'int32' ? castArray(a, 'int64') : a;
        return [name, new ort.Tensor(wide.dtype as 'int64', wide.data as BigInt64Array, [...wide.shape])];
      }),
    );
  };
  const ask = async (rows: readonly Example[]): Promise<Record<string, NDArray>> => {
    const result = (await session.run(feedsOf(rows)))[output];
    if (classes && result.dims.at(-1) !== classes.length)
      throw new DecantError('model', 'the model puts out another number of scores than it has class names', {
        at: path,
        seen: `${result.dims.at(-1)} scores`,
        allowed: `${classes.length} classes`,
        fix: 'list its classes in the order of its outputs under teacher.classes',
      });
    return { logits: ndarray(Float32Array.from(result.data as Float32Array), result.dims) };
  };
  const hidden = openOnnxHidden(bytes, output, path);
  return {
    name: `ONNX model ${path}`,
    id: `onnx:${contentHash([await fileHash(path), tokenizer ? contentHash(tokenizer.files) : '', options.maxLength ?? 512, ...(scale ? [scale] : [])])}`,
    signals: ['logits', 'topk', ...(hidden ? (['hidden'] as const) : [])],
    classes,
    logits: async (examples) => (await inParts(examples, options.batchSize, ask)).logits,
    ...(hidden && {
      hidden: (examples: readonly Example[], paths: readonly string[]) =>
        inParts(examples, options.batchSize, (rows) => hidden.read(feedsOf(rows), paths)),
      outputLayer: async () => hidden.layer,
    }),
    close: async () => {
      await session.release();
      await hidden?.close();
    },
  };
}

interface InputScale {
  mean: number[];
  std: number[];
}

/** Mean and deviation of pixels (in [0, 1]) or features that the model was trained with, from preprocessor_config.json. */
async function scaleBeside(folder: string): Promise<InputScale | undefined> {
  const path = join(folder, 'preprocessor_config.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const c = parseJsonObject(text, path, 'model') as unknown as Record<string, number[] | undefined>;
  const [mean, std] = [c.image_mean ?? c.feature_mean, c.image_std ?? c.feature_std];
  return mean && std ? { mean, std } : undefined;
}

/** Class names of the config.json in the file's folder or the one above; Hugging Face's placeholders are no names. */
async function classesBeside(path: string): Promise<string[] | undefined> {
  for (const dir of [dirname(path), dirname(dirname(path))]) {
    const text = await readFile(join(dir, 'config.json'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const names = labelNamesOf(parseJsonObject(text, join(dir, 'config.json'), 'model'));
    return names?.every((n, i) => n === `LABEL_${i}`) ? undefined : names;
  }
  return undefined;
}

async function tokenizerBeside(path: string): Promise<Tokenizer | undefined> {
  for (const dir of [dirname(path), dirname(dirname(path))]) {
    const found = await stat(join(dir, 'tokenizer.json')).catch(() => undefined);
    if (!found) continue;
    const folder = await readModelFolder(diskFolder(dir), ['tokenizer']);
    return createTokenizer(folder.tokenizer!, folder.tokenizerConfig);
  }
  return undefined;
}

function inputsFor(
  rows: readonly Example[],
  tokenizer: Tokenizer | undefined,
  maxLength: number,
  path: string,
  scale?: InputScale,
): Record<string, NDArray> {
  const [first] = rows;
  const { mean, std } = scale ?? {};
  const scaled = (x: number, i: number): number => (x - (mean?.[i] ?? 0)) / (std?.[i] ?? 1);
  if (first.features) {
    const width = first.features.length;
    const data = Float32Array.from(rows.flatMap((e) => Array.from(e.features!, scaled)));
    return { features: ndarray(data, [rows.length, width]) };
  }
  if (first.image) {
    const [height, width, channels] = first.shape!;
    const out = new Float32Array(rows.length * channels * height * width);
    rows.forEach((e, r) => {
      for (let i = 0; i < height * width; i++)
        for (let c = 0; c < channels; c++)
          out[(r * channels + c) * height * width + i] = scaled(e.image![i * channels + c] / 255, c);
    });
    return {
      pixel_values: ndarray(out, [rows.length, channels, height, width]),
      features: ndarray(out, [rows.length, channels * height * width]),
    };
  }
  if (!tokenizer)
    throw new DecantError('pairing', 'the teacher has no tokenizer.json beside it', {
      at: path,
      fix: 'put tokenizer.json into the folder of the model',
    });
  return tokenInputs(rows, tokenizer, maxLength);
}

function zerosLike(ids: NDArray | undefined, name: string, path: string): NDArray {
  if (!ids)
    throw new DecantError('model', `the model wants an input '${name}' that the data does not give`, {
      at: path,
    });
  return ndarray(new Int32Array(ids.data.length), ids.shape);
}

/** Texts as padded ids and mask, int32. */
export function tokenInputs(
  rows: readonly Example[],
  tokenizer: Tokenizer,
  maxLength: number,
): Record<string, NDArray> {
  const ids = rows.map((e) =>
    e.pair === undefined
      ? tokenizer.encode(e.text ?? e.prompt ?? '', { maxLength })
      : tokenizer.encodePair(e.text ?? '', e.pair, { maxLength }).ids,
  );
  const width = Math.max(1, ...ids.map((r) => r.length));
  const data = new Int32Array(rows.length * width).fill(padIdOf(tokenizer));
  const mask = new Int32Array(rows.length * width);
  ids.forEach((row, r) => {
    data.set(row, r * width);
    mask.fill(1, r * width, r * width + row.length);
  });
  return {
    input_ids: ndarray(data, [rows.length, width]),
    attention_mask: ndarray(mask, [rows.length, width]),
  };
}
