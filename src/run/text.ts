import { basename, dirname } from 'node:path';
import type { SpecialTokens } from '../data/tokenizer/special.ts';
import { createTokenizer, type Tokenizer } from '../data/tokenizer/tokenizer.ts';
import { type TokenizerKind, trainTokenizer } from '../data/tokenizer/train.ts';
import type { Example } from '../data/types.ts';
import { type ModelFolder, readModelFolder } from '../export/folder.ts';
import { DecantError } from '../util/errors.ts';
import { diskFolder } from '../util/node/disk-folder.ts';

/** The `tokenizer` section of a model in a recipe. */
export interface TokenizerSettings {
  kind: TokenizerKind;
  vocabSize: number;
  minFrequency: number;
  lowercase: boolean;
  from?: string;
}

export const tokenizerDefaults: TokenizerSettings = {
  kind: 'wordpiece',
  vocabSize: 4096,
  minFrequency: 2,
  lowercase: true,
};

/** Special tokens that a text encoder expects, whatever the kind of vocabulary. */
const ENCODER_TOKENS: SpecialTokens = {
  pad: '[PAD]',
  unk: '[UNK]',
  cls: '[CLS]',
  sep: '[SEP]',
  mask: '[MASK]',
};

/** A tokenizer trained on the texts, or the one of a folder. */
export async function tokenizerFor(
  settings: TokenizerSettings,
  texts: Iterable<string>,
  maxLength: number,
): Promise<Tokenizer> {
  if (settings.from) return tokenizerFromFolder(settings.from);
  const files = trainTokenizer(settings.kind, texts, {
    vocabSize: settings.vocabSize,
    minFrequency: settings.minFrequency,
    lowercase: settings.lowercase,
    special: ENCODER_TOKENS,
    maxLength,
  });
  return createTokenizer(files.tokenizer, files.tokenizerConfig);
}

/** The tokenizer of a model folder, or of the folder in which a tokenizer.json lies. */
export async function tokenizerFromFolder(given: string): Promise<Tokenizer> {
  const path = basename(given) === 'tokenizer.json' ? dirname(given) : given;
  const folder = await readModelFolder(diskFolder(path), ['tokenizer']);
  return folderTokenizer(folder, path);
}

/** The tokenizer of a model folder that was read from `path`. Errors: `model` when it has none. */
export function folderTokenizer(folder: ModelFolder, path: string): Tokenizer {
  if (folder.tokenizer) return createTokenizer(folder.tokenizer, folder.tokenizerConfig);
  throw new DecantError('model', 'the folder has no tokenizer.json', {
    at: path,
    fix: 'put tokenizer.json (and tokenizer_config.json) into the folder',
  });
}

export const textOf = (e: Example): string => e.text ?? e.prompt ?? '';

/** The 99th percentile of token counts, special tokens included, rounded up to a multiple of 8; at most `limit`. */
export function usualMaxLength(tokenizer: Tokenizer, texts: readonly string[], limit = 512): number {
  const lengths = texts.map((t) => tokenizer.encode(t).length).sort((a, b) => a - b);
  const p99 = lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * 0.99))] ?? 8;
  return Math.min(limit, Math.max(8, Math.ceil(p99 / 8) * 8));
}
