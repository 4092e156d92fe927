import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { padIdOf } from '../data/batching.ts';
import type { NodeScale } from '../data/graph-prepare.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { readModelFolder } from '../export/folder.ts';
import { assertShapes } from '../export/shapes.ts';
import type { NDArray } from '../graph/index.ts';
import { castArray } from '../graph/index.ts';
import { isDecoder, modelFromConfig } from '../nn/auto.ts';
import { architectureCatalogue, type ModelInfo } from '../nn/catalogue.ts';
import type { AnyModel } from '../nn/model.ts';
import type { Params } from '../nn/params.ts';
import {
  bucketsFor,
  type Encoded,
  encodeFeatures,
  encodeImages,
  encodeTexts,
  featureScale,
  type PixelScale,
  pixelScale,
} from '../train/encoded.ts';
import { DecantError } from '../util/errors.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { readScales } from './predict.ts';
import { type Reduction, withLayers, withVocabularyOf } from './reduced.ts';
import {
  type TokenizerSettings,
  textOf,
  tokenizerDefaults,
  tokenizerFor,
  tokenizerFromFolder,
  usualMaxLength,
} from './text.ts';

/** The `student` section, or a teacher that is trained in place. */
export interface ModelSettings extends Reduction {
  architecture?: string;
  options: Record<string, unknown>;
  from?: string;
  tokenizer?: TokenizerSettings;
  maxLength?: number;
}

/** A model with what turns examples into its inputs. */
export interface BuiltModel {
  readonly model: AnyModel;
  /** Weights that exist already (`from`); undefined: fresh ones from each seed. */
  readonly start?: Params<NDArray>;
  readonly tokenizer?: Tokenizer;
  readonly maxLength?: number;
  readonly scale?: PixelScale;
  /** Mean and deviation of feature vectors. */
  readonly featureScale?: PixelScale;
  readonly featureNames?: readonly string[];
  encode(examples: readonly Example[], buckets?: number): Encoded;
}

export interface BuildInfo {
  readonly task: string;
  readonly classes: readonly string[];
  /** Rows that vocabulary, lengths and pixel statistics are taken from. */
  readonly examples: readonly Example[];
  readonly baseDir: string;
  /** Names of the features, where they are known. */
  readonly featureNames?: readonly string[];
  /** How features are brought to one scale; default standardize. */
  readonly scale?: NodeScale;
  /** Where the settings stand in the recipe, for messages: `student` or `teacher`. */
  readonly at: string;
}

/** Builds a classifier for the examples: tokenizer or pixel statistics, then the model itself. */
export async function buildClassifier(settings: ModelSettings, info: BuildInfo): Promise<BuiltModel> {
  const sample = info.examples[0];
  if (!sample) throw new DecantError('data', 'there are no rows to build a model for', { at: info.at });
  if (settings.from) return fromFolder(settings, info);
  if (sample.image) {
    const scale = pixelScale(info.examples);
    const [height, width, channels] = sample.shape!;
    const model = makeModel(settings, info, {
      classes: info.classes.length,
      imageSize: height,
      channels,
      features: height * width * channels,
    });
    if (height !== width && model.inputs.pixel_values) {
      throw new DecantError('model', 'the architecture takes square images', {
        at: `${info.at}.architecture`,
        seen: `${height} × ${width}`,
        fix: 'set data.image.size: [n, n]',
      });
    }
    return { model, scale, encode: (examples) => encodeImages(examples, scale) };
  }
  if (sample.features) {
    const width = sample.features.length;
    const scale =
      (info.scale ?? 'standardize') === 'standardize' ? featureScale(info.examples) : asTheyAre(width);
    const model = makeModel(settings, info, {
      classes: info.classes.length,
      features: width,
      rowScale: info.scale === 'rows',
    });
    if (!model.inputs.features || Object.keys(model.inputs).length > 1)
      throw new DecantError('recipe', 'this model cannot answer from the features of one row', {
        at: `${info.at}.architecture`,
        seen: settings.architecture,
        allowed: 'mlp',
      });
    const { featureNames } = info;
    return { model, featureScale: scale, featureNames, encode: (rows) => encodeFeatures(rows, scale) };
  }
  const texts = info.examples.map(textOf);
  const wanted = settings.tokenizer ?? tokenizerDefaults;
  const tokenizer = await tokenizerFor(
    wanted.from ? { ...wanted, from: resolve(info.baseDir, wanted.from) } : wanted,
    texts,
    settings.maxLength ?? 512,
  );
  const maxLength = settings.maxLength ?? usualMaxLength(tokenizer, texts);
  const model = makeModel(settings, info, {
    classes: info.classes.length,
    vocabSize: tokenizer.size,
    maxLength,
    padId: padIdOf(tokenizer),
  });
  return textModel(model, tokenizer, maxLength);
}

/** Features that are left alone. */
const asTheyAre = (width: number): PixelScale => ({
  mean: new Array<number>(width).fill(0),
  std: new Array<number>(width).fill(1),
});

const textModel = (
  model: AnyModel,
  tokenizer: Tokenizer,
  maxLength: number,
  start?: Params<NDArray>,
): BuiltModel => ({
  model,
  start,
  tokenizer,
  maxLength,
  encode(examples, buckets = 0) {
    const plain = encodeTexts(examples, { tokenizer, maxLength });
    const lengths = buckets > 0 ? bucketsFor(plain, buckets) : undefined;
    return lengths ? encodeTexts(examples, { tokenizer, maxLength, buckets: lengths }) : plain;
  },
});

/** A model of the catalogue for a task. Errors: `recipe` for one that does not serve it, or options it does not take. */
export function makeModel(
  settings: Pick<ModelSettings, 'architecture' | 'options'>,
  { task, at }: Pick<BuildInfo, 'task' | 'at'>,
  info: ModelInfo,
): AnyModel {
  const name = settings.architecture ?? '';
  const entry = architectureCatalogue[name];
  const fitting = Object.entries(architectureCatalogue)
    .filter(([, a]) => a.tasks.includes(task))
    .map(([n]) => n);
  if (!entry?.tasks.includes(task)) {
    throw new DecantError(
      'recipe',
      entry ? `the architecture does not serve task ${task}` : 'unknown architecture',
      {
        at: `${at}.architecture`,
        seen: name,
        allowed: fitting.join(', '),
      },
    );
  }
  const parsed = entry.options.safeParse(settings.options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DecantError('recipe', issue.message, {
      at: [at, 'options', ...issue.path].join('.'),
      seen: settings.options,
    });
  }
  const model = entry.make(parsed.data as never, info);
  if (isDecoder(model))
    throw new DecantError('recipe', 'a decoder is no classifier', {
      at: `${at}.architecture`,
      seen: name,
      allowed: fitting.join(', '),
    });
  return model;
}

/** A model folder as the starting point, its classification head replaced when the number of classes differs. */
async function fromFolder(settings: ModelSettings, info: BuildInfo): Promise<BuiltModel> {
  const path = resolve(info.baseDir, settings.from!);
  if (path.endsWith('.onnx'))
    throw new DecantError('recipe', 'a model is trained on from its folder, not from an ONNX file', {
      at: `${info.at}.from`,
      seen: settings.from,
      fix: 'name the folder with config.json and model.safetensors',
    });
  const [sample] = info.examples;
  const isText = !sample.image && !sample.features;
  if (settings.trimVocabulary && !isText)
    throw new DecantError('recipe', 'only models of texts have a vocabulary', {
      at: `${info.at}.trimVocabulary`,
      fix: 'remove the setting',
    });
  const folder = await readModelFolder(diskFolder(path), [
    'config',
    'weights',
    ...(isText ? (['tokenizer'] as const) : []),
  ]);
  const model = modelFromConfig({ ...folder.config, num_labels: info.classes.length, id2label: undefined });
  if (isDecoder(model))
    throw new DecantError('model', 'the folder holds a decoder, not a classifier', {
      at: path,
      seen: model.architecture,
    });
  const read = await folder.checkpoint!.readAll();
  const start: Params<NDArray> = {};
  const fresh: string[] = [];
  for (const [name, spec] of Object.entries(model.params)) {
    if (spec.tiedTo !== undefined) continue;
    const found = read.get(name);
    if (found && (found.shape.join() === spec.shape.join() || !/classifier|fc|head/.test(name)))
      start[name] = castArray(found, 'float32');
    else fresh.push(name);
  }
  assertShapes(
    Object.fromEntries(Object.keys(start).map((n) => [n, model.params[n].shape])),
    Object.fromEntries(Object.entries(start).map(([n, a]) => [n, a.shape])),
    { at: path },
  );
  const body = fresh.filter((n) => !/classifier|fc|head|pooler/.test(n));
  if (body.length > 0)
    throw new DecantError('model', `the checkpoint lacks ${body.length} parameters`, {
      at: path,
      seen: body.slice(0, 5).join(', '),
    });
  const { init } = await import('../nn/model.ts');
  const head = init(
    { params: Object.fromEntries(fresh.map((n) => [n, model.params[n]])) } as unknown as AnyModel,
    'head',
  );
  const whole = withLayers({ model, start: { ...start, ...head } }, settings.layers);
  if (!isText) return pixelModel(whole.model, whole.start, await scalesOf(path, info.examples));
  const texts = info.examples.map(textOf);
  const own = await tokenizerFromFolder(path);
  const kept = settings.trimVocabulary ? withVocabularyOf(whole, own, texts) : { ...whole, tokenizer: own };
  const limit = Number(folder.config?.max_position_embeddings ?? 512);
  const maxLength = settings.maxLength ?? usualMaxLength(kept.tokenizer, texts, limit);
  return textModel(kept.model, kept.tokenizer, maxLength, kept.start);
}

/** How the folder's model was given pixels or features; statistics of the rows where it does not say. */
async function scalesOf(path: string, examples: readonly Example[]) {
  const file = join(path, 'preprocessor_config.json');
  const own = existsSync(file) ? await readScales(file) : {};
  return examples[0].image
    ? { pixels: own.pixels ?? pixelScale(examples) }
    : { features: own.features ?? featureScale(examples) };
}

const pixelModel = (
  model: AnyModel,
  start: Params<NDArray>,
  { pixels, features }: { pixels?: PixelScale; features?: PixelScale },
): BuiltModel => ({
  model,
  start,
  ...(pixels ? { scale: pixels } : { featureScale: features! }),
  encode: (examples) => (pixels ? encodeImages(examples, pixels) : encodeFeatures(examples, features!)),
});
