import type { SpecialRole } from '../../export/folder.ts';
import { DecantError } from '../../util/errors.ts';
import type { Json, JsonObject } from '../../util/json-text.ts';

/** The special tokens of a vocabulary by role, plus further ones such as chat markers. They get the first ids. */
export interface SpecialTokens extends Partial<Record<SpecialRole, string>> {
  extra?: readonly string[];
}

/** A trained tokenizer as the contents of its two files. */
export interface TokenizerFiles {
  tokenizer: JsonObject;
  tokenizerConfig: JsonObject;
}

/** The distinct special strings in the order of their ids. */
export function specialList(special: SpecialTokens): string[] {
  const { extra = [], ...roles } = special;
  const list = [...new Set([...Object.values(roles), ...extra])];
  if (list.some((s) => s === '')) throw new DecantError('usage', 'a special token is the empty string');
  return list;
}

export interface AssembleParts {
  special: SpecialTokens;
  model: JsonObject;
  vocab: readonly string[];
  normalizer: Json;
  preTokenizer: Json;
  decoder: Json;
  /** Roles put around every text. */
  wrap?: { begin?: SpecialRole; end?: SpecialRole };
  maxLength?: number;
}

/** tokenizer.json and tokenizer_config.json around a model whose vocabulary starts with the special tokens. */
export function assembleTokenizer(parts: AssembleParts): TokenizerFiles {
  const { special } = parts;
  const { extra, ...roles } = special;
  const tokenizer: JsonObject = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialList(special).map((content) => ({
      id: parts.vocab.indexOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: parts.normalizer,
    pre_tokenizer: parts.preTokenizer,
    post_processor: parts.wrap ? template(special, parts.vocab, parts.wrap) : null,
    decoder: parts.decoder,
    model: parts.model,
  };
  const tokenizerConfig: JsonObject = {
    ...Object.fromEntries(Object.entries(roles).map(([role, text]) => [`${role}_token`, text])),
    ...(extra?.length ? { additional_special_tokens: [...extra] } : {}),
    clean_up_tokenization_spaces: false,
    model_max_length: parts.maxLength ?? 1_000_000,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
  return { tokenizer, tokenizerConfig };
}

/** `begin A end B end`, as BERT and its kin expect pairs. */
function template(
  special: SpecialTokens,
  vocab: readonly string[],
  wrap: { begin?: SpecialRole; end?: SpecialRole },
): Json {
  const used: string[] = [];
  const token = (role: SpecialRole | undefined, type_id: number): Json[] => {
    if (!role) return [];
    const id = special[role];
    if (id === undefined) {
      throw new DecantError(
        'usage',
        `texts are to be wrapped in ${role}, which is not among the special tokens`,
        {
          allowed: Object.keys(special).join(', '),
        },
      );
    }
    used.push(id);
    return [{ SpecialToken: { id, type_id } }];
  };
  const text = (id: 'A' | 'B', type_id: number): Json => ({ Sequence: { id, type_id } });
  const single = [...token(wrap.begin, 0), text('A', 0), ...token(wrap.end, 0)];
  const pair = [...single, text('B', 1), ...token(wrap.end, 1)];
  const special_tokens = Object.fromEntries(
    [...new Set(used)].map((id) => [id, { id, ids: [vocab.indexOf(id)], tokens: [id] }]),
  );
  return { type: 'TemplateProcessing', single, pair, special_tokens };
}

/** Cuts texts at special tokens, so that a marker in the corpus is never learned as ordinary text. */
export function* withoutSpecial(texts: Iterable<string>, special: SpecialTokens): Generator<string> {
  const list = specialList(special).sort((a, b) => b.length - a.length);
  if (list.length === 0) {
    yield* texts;
    return;
  }
  const pattern = new RegExp(list.map((s) => s.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'u');
  for (const text of texts) yield* pattern.test(text) ? text.split(pattern) : [text];
}
