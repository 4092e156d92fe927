import type { NDArray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';
import { type Chunks, type Folder, readText, streamSource, writeText } from '../util/folder.ts';
import { type Json, type JsonObject, jsonEqual, parseJsonObject, patchJsonText } from '../util/json-text.ts';
import {
  type Checkpoint,
  type LazyTensor,
  lazyTensors,
  openCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts';

/** The JSON files of a model folder in the Hugging Face layout. */
export const JSON_FILES = {
  config: 'config.json',
  generationConfig: 'generation_config.json',
  tokenizer: 'tokenizer.json',
  tokenizerConfig: 'tokenizer_config.json',
  specialTokensMap: 'special_tokens_map.json',
} as const;
export const CHAT_TEMPLATE_FILE = 'chat_template.jinja';

type JsonPart = keyof typeof JSON_FILES;
type JsonParts = Partial<Record<JsonPart, JsonObject>>;

/** A model folder, read: the JSON files as values with all their keys, the weights on demand. */
export interface ModelFolder extends JsonParts {
  readonly folder: Folder;
  /** All files, sorted. */
  readonly files: readonly string[];
  /** The JSON files as text, for byte-equal rewriting. */
  readonly texts: Readonly<Partial<Record<JsonPart, string>>>;
  /** From chat_template.jinja, else tokenizer_config.json, by name; the usual one is called `default`. */
  readonly chatTemplates: Readonly<Record<string, string>>;
  readonly checkpoint?: Checkpoint;
  /** Paths of the ONNX files below onnx/. */
  readonly onnx: readonly string[];
}

/** Reads a folder; `require` names parts that must be there, and all that are absent are listed at once. */
export async function readModelFolder(
  folder: Folder,
  require: readonly (JsonPart | 'weights' | 'onnx')[] = [],
): Promise<ModelFolder> {
  const files = await folder.list();
  const parts: JsonParts = {};
  const texts: Partial<Record<JsonPart, string>> = {};
  for (const [part, path] of Object.entries(JSON_FILES) as [JsonPart, string][]) {
    const text = await readText(folder, path);
    if (text === undefined) continue;
    texts[part] = text;
    parts[part] = parseJsonObject(text, `${folder.where}/${path}`, 'model');
  }
  const checkpoint = await openCheckpoint(folder);
  const onnx = files.filter((p) => /^onnx\/.*\.onnx$/.test(p));
  const absent = require.filter((r) =>
    r === 'weights' ? !checkpoint : r === 'onnx' ? onnx.length === 0 : parts[r] === undefined,
  );
  if (absent.length > 0) {
    const names = absent.map((r) =>
      r === 'weights' ? 'model.safetensors' : r === 'onnx' ? 'onnx/model.onnx' : JSON_FILES[r],
    );
    throw new DecantError('model', `missing: ${names.join(', ')}`, {
      at: folder.where,
      seen: files.slice(0, 20),
      fix: 'give a folder in the Hugging Face layout',
    });
  }
  const chatTemplates = await readChatTemplates(folder, files, parts.tokenizerConfig);
  return { ...parts, folder, files, texts, chatTemplates, onnx, ...(checkpoint ? { checkpoint } : {}) };
}

async function readChatTemplates(
  folder: Folder,
  files: readonly string[],
  tokenizerConfig: JsonObject | undefined,
): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  const inConfig = tokenizerConfig?.chat_template;
  if (typeof inConfig === 'string') out.default = inConfig;
  else if (Array.isArray(inConfig)) {
    inConfig.forEach((entry, i) => {
      const { name, template } = (entry ?? {}) as JsonObject;
      if (typeof name !== 'string' || typeof template !== 'string') {
        throw new DecantError('model', 'a chat template needs a name and a template', {
          at: `${folder.where}/${JSON_FILES.tokenizerConfig}: chat_template[${i}]`,
          seen: entry,
          allowed: '{"name": string, "template": string}',
        });
      }
      out[name] = template;
    });
  } else if (inConfig !== undefined && inConfig !== null) {
    throw new DecantError('model', 'chat_template is neither a string nor a list', {
      at: `${folder.where}/${JSON_FILES.tokenizerConfig}`,
      seen: inConfig,
    });
  }
  for (const path of files) {
    const named = /^additional_chat_templates\/([^/]+)\.jinja$/.exec(path)?.[1];
    if (named) out[named] = (await readText(folder, path))!;
  }
  const own = await readText(folder, CHAT_TEMPLATE_FILE);
  if (own !== undefined) out.default = own;
  return out;
}

/** What a model folder is written from. Parts that are absent are taken unchanged from `from`, if there is one. */
export interface ModelFolderContent extends JsonParts {
  from?: ModelFolder;
  /** Written as chat_template.jinja and into tokenizer_config.json, since readers look in either place. */
  chatTemplate?: string;
  weights?: ReadonlyMap<string, NDArray | LazyTensor>;
  /** Stored type of floating-point tensors that `from` does not know. */
  float?: 'F32' | 'F16' | 'BF16';
  maxShardBytes?: number;
  /** Further files, for example `onnx/model.onnx`. */
  files?: ReadonlyMap<string, Chunks>;
}

/**
 * Writes a model folder into `target` (which must not be the folder of `from`). Untouched parts come out byte-equal,
 * changed JSON files keep unknown keys and the spelling of unchanged members. Files that the change makes untrue are
 * not carried over: ONNX and other weight formats when weights are given, old vocabulary files when a tokenizer is.
 */
export async function writeModelFolder(target: Folder, content: ModelFolderContent): Promise<void> {
  const { from } = content;
  const parts: JsonParts = {};
  for (const part of Object.keys(JSON_FILES) as JsonPart[]) {
    const value = content[part] ?? from?.[part];
    if (value) parts[part] = value;
  }
  if (content.chatTemplate !== undefined) {
    parts.tokenizerConfig = { ...parts.tokenizerConfig, chat_template: content.chatTemplate };
    await writeText(target, CHAT_TEMPLATE_FILE, content.chatTemplate);
  }
  for (const [part, value] of Object.entries(parts) as [JsonPart, JsonObject][]) {
    await writeText(target, JSON_FILES[part], jsonText(value, from?.texts[part]));
  }
  const weights = content.weights ?? (from?.checkpoint && lazyTensors(from.checkpoint));
  if (weights) {
    await writeCheckpoint(target, weights, {
      ...(from?.checkpoint ? { like: from.checkpoint } : {}),
      ...(content.float ? { float: content.float } : {}),
      ...(content.maxShardBytes ? { maxShardBytes: content.maxShardBytes } : {}),
    });
  }
  for (const [path, chunks] of content.files ?? []) await target.write(path, chunks);
  if (from) await carryOver(from, target, content);
}

async function carryOver(from: ModelFolder, target: Folder, content: ModelFolderContent): Promise<void> {
  const handled = new Set<string>([
    ...Object.values(JSON_FILES),
    ...(content.files?.keys() ?? []),
    ...(content.chatTemplate === undefined ? [] : [CHAT_TEMPLATE_FILE]),
  ]);
  const newVocabulary = content.tokenizer !== undefined && !jsonEqual(content.tokenizer, from.tokenizer);
  const isWeights = /^model(-\d+-of-\d+)?\.safetensors$|^model\.safetensors\.index\.json$/;
  const otherWeights =
    /^onnx\/|\.(onnx|onnx_data(_\d+)?|bin|pt|pth|ckpt|h5|msgpack|gguf|ot|tflite)$|\.bin\.index\.json$/;
  const oldVocabulary = /^(vocab\.(json|txt)|merges\.txt|added_tokens\.json|spiece\.model|tokenizer\.model)$/;
  const shards = new Set(from.checkpoint?.files.map((f) => f.path));
  for (const path of from.files) {
    if (handled.has(path) || isWeights.test(path) || shards.has(path)) continue;
    if (content.weights && otherWeights.test(path)) continue;
    if (newVocabulary && oldVocabulary.test(path)) continue;
    const source = await from.folder.open(path);
    if (source) await target.write(path, streamSource(source));
  }
}

/** JSON text as the Hugging Face writers indent it, or the old text with only the changed members rewritten. */
export const jsonText = (value: JsonObject, old?: string): string =>
  old === undefined ? `${JSON.stringify(value, null, 2)}\n` : patchJsonText(old, value);

const ROLES = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const;
export type SpecialRole = (typeof ROLES)[number];

/** The strings of the special tokens by role, from tokenizer_config.json, else special_tokens_map.json. */
export function specialTokens(
  tokenizerConfig: JsonObject | undefined,
  specialTokensMap?: JsonObject,
): Partial<Record<SpecialRole, string>> {
  const out: Partial<Record<SpecialRole, string>> = {};
  const text = (value: Json | undefined): string | undefined => {
    if (typeof value === 'string') return value;
    const content = value && typeof value === 'object' && !Array.isArray(value) ? value.content : undefined;
    return typeof content === 'string' ? content : undefined;
  };
  for (const role of ROLES) {
    const found = text(tokenizerConfig?.[`${role}_token`]) ?? text(specialTokensMap?.[`${role}_token`]);
    if (found !== undefined) out[role] = found;
  }
  return out;
}
