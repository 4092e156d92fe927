import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DecantError } from '../util/errors.ts';
import type { ModelDescriptor, TokenizerDescriptor } from './descriptor.ts';

type Json = Record<string, unknown>;

/**
 * What a model folder in the Hugging Face layout says about itself: config.json and the tokenizer's files, no weights,
 * so that it is quick for models of any size. Errors: `model`.
 */
export function describeFolder(path: string, name = path): ModelDescriptor {
  const config = readJson(join(path, 'config.json'));
  if (!config)
    throw new DecantError('model', existsSync(path) ? 'no config.json in this folder' : 'no such folder', {
      at: path,
      fix: 'name a model folder in the Hugging Face layout (config.json, model.safetensors, tokenizer.json)',
    });
  const output = outputOf(config, path);
  const tokenizer = describeTokenizer(path);
  const classes = classNames(config);
  const layers = number(config, 'num_hidden_layers', 'n_layer', 'n_layers') ?? 0;
  const hidden = number(config, 'hidden_size', 'n_embd', 'dim', 'd_model');
  const width =
    output === 'classes'
      ? (classes?.length ?? number(config, 'num_labels') ?? 2)
      : output === 'tokens'
        ? (number(config, 'vocab_size') ?? tokenizer?.tokens.length ?? 0)
        : (hidden ?? 0);
  return {
    name,
    output,
    width,
    ...(output === 'classes' && classes ? { classes } : {}),
    ...(tokenizer ? { tokenizer } : {}),
    ...limit(number(config, 'max_position_embeddings', 'n_positions')),
    signals: {
      ...(output === 'tokens' ? { text: true } : {}),
      ...(output === 'classes' || output === 'tokens' ? { logits: true, topk: width } : {}),
      ...(hidden && layers
        ? { hidden: Array<number>(layers).fill(hidden) }
        : output === 'classes'
          ? { hidden: [0] }
          : {}),
    },
  };
}

const limit = (maxLength: number | undefined) => (maxLength === undefined ? {} : { maxLength });

function outputOf(config: Json, path: string): ModelDescriptor['output'] {
  const [architecture] = (config.architectures as string[] | undefined) ?? [];
  if (architecture === undefined)
    throw new DecantError('model', 'config.json names no architecture', {
      at: join(path, 'config.json'),
      allowed: 'architectures: ["BertForSequenceClassification"], ...',
    });
  if (/ForSequenceClassification|ForImageClassification|^Cnn$|^Mlp$|^ResNet/.test(architecture))
    return 'classes';
  return /ForCausalLM|LMHead/.test(architecture) ? 'tokens' : 'embedding';
}

/** Names by index from id2label; Hugging Face's placeholders LABEL_0, LABEL_1, ... are no names. */
function classNames(config: Json): string[] | undefined {
  const table = config.id2label as Record<string, string> | undefined;
  if (!table) return undefined;
  const names = Object.keys(table)
    .map(Number)
    .sort((a, b) => a - b)
    .map((i) => table[i]);
  return names.every((n, i) => n === `LABEL_${i}`) ? undefined : names;
}

/** Vocabulary, special tokens and chat template of a folder; undefined without a tokenizer.json. */
export function describeTokenizer(path: string): TokenizerDescriptor | undefined {
  const file = readJson(join(path, 'tokenizer.json')) as
    | {
        model?: { vocab?: Record<string, number> | [string, number][] };
        added_tokens?: { id: number; content: string }[];
      }
    | undefined;
  if (!file) return undefined;
  const settings = readJson(join(path, 'tokenizer_config.json')) ?? {};
  const tokens: (string | undefined)[] = [];
  const vocab = file.model?.vocab ?? {};
  if (Array.isArray(vocab)) for (const [i, [token]] of vocab.entries()) tokens[i] = token;
  else for (const [token, id] of Object.entries(vocab)) tokens[id] = token;
  for (const { id, content } of file.added_tokens ?? []) tokens[id] = content;
  const special: TokenizerDescriptor['special'] = Object.fromEntries(
    ['bos', 'eos', 'pad', 'unk', 'cls', 'sep', 'mask'].flatMap((role) => {
      const value = settings[`${role}_token`] as string | { content: string } | undefined | null;
      const token = typeof value === 'string' ? value : value?.content;
      return token === undefined ? [] : [[role, { id: tokens.indexOf(token), token }]];
    }),
  );
  const template =
    settings.chat_template ??
    (existsSync(join(path, 'chat_template.jinja'))
      ? readFileSync(join(path, 'chat_template.jinja'), 'utf8')
      : undefined);
  return {
    tokens: Array.from(tokens),
    special,
    ...(typeof template === 'string' ? { chatTemplate: template } : {}),
  };
}

/** The folder that describes an ONNX file: its own, or the one above `onnx/`. */
export function folderOfOnnx(file: string): string | undefined {
  return [dirname(file), dirname(dirname(file))].find((folder) => existsSync(join(folder, 'config.json')));
}

function readJson(path: string): Json | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Json;
  } catch (cause) {
    throw new DecantError('model', `not valid JSON: ${(cause as Error).message}`, {
      at: path,
      fix: 'fetch the file again',
      cause,
    });
  }
}

const number = (config: Json, ...keys: string[]): number | undefined =>
  keys.map((k) => config[k]).find((v): v is number => typeof v === 'number');
