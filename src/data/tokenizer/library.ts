import * as library from '@huggingface/tokenizers';
import type { JsonObject } from '../../util/json-text.ts';

// The package's type files import each other without extensions, which NodeNext resolution does not follow; these are
// the parts used here.

interface LibraryTokenizerType {
  readonly normalizer: { _call(text: string): string } | null;
  readonly pre_tokenizer: PreTokenizer | null;
  readonly model: LibraryModel;
  readonly post_processor: {
    _call(
      first: string[],
      second: string[] | null,
      addSpecial: boolean,
    ): { tokens: string[]; token_type_ids?: number[] };
  } | null;
  encode(
    text: string,
    options?: { text_pair?: string; add_special_tokens?: boolean; return_token_type_ids?: boolean },
  ): { ids: number[]; tokens: string[]; token_type_ids?: number[] };
  decode(
    ids: readonly number[],
    options?: { skip_special_tokens?: boolean; clean_up_tokenization_spaces?: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  get_vocab(): Map<string, number>;
}

export interface LibraryModel {
  /** Spelling by id. */
  readonly vocab: (string | undefined)[];
  readonly tokens_to_ids: Map<string, number>;
  readonly unk_token_id?: number;
  readonly fuse_unk: boolean;
  /** Tokens of pieces. */
  _call(pieces: string[]): string[];
}

export interface PreTokenizer {
  _call(text: string, options: object): string[];
}

interface Exports {
  Tokenizer: new (tokenizer: JsonObject, config: JsonObject) => LibraryTokenizerType;
  SplitPreTokenizer: new (config: JsonObject) => { pre_tokenize_text(text: string): string[] };
}

const exported = library as unknown as Exports;

export const SplitPreTokenizer = exported.SplitPreTokenizer;
export const LibraryTokenizer = exported.Tokenizer;
export type LibraryTokenizer = LibraryTokenizerType;
