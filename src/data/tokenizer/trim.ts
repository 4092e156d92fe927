import { DecantError } from '../../util/errors.ts';
import type { Json, JsonObject } from '../../util/json-text.ts';
import { BYTE_TO_CHAR } from './byte-level.ts';
import type { TokenizerFiles } from './special.ts';
import { createTokenizer } from './tokenizer.ts';

export interface TrimOptions {
  /** Texts whose encoding must stay the same token for token. */
  texts?: Iterable<string>;
  /** Further ids to keep. */
  keep?: Iterable<number>;
  /** Stop before the vocabulary is larger: the rarest tokens of the texts are given up first. Default: no limit. */
  maxSize?: number;
}

export interface TrimmedTokenizer extends TokenizerFiles {
  /** `kept[newId] = oldId`: the rows of the embedding (and of an untied head) that stay, in order. */
  kept: Int32Array;
  /** The new id of an old one; undefined where it was given up. */
  newId(old: number): number | undefined;
}

/**
 * A smaller vocabulary for the texts at hand. Kept are: added tokens, the alphabet (single characters and bytes), what
 * the texts use, and for BPE the tokens that these are merged from. Order of ids and merges is kept, so texts that use
 * only kept tokens encode as before.
 */
export function trimTokenizer(files: TokenizerFiles, options: TrimOptions): TrimmedTokenizer {
  const model = files.tokenizer.model as JsonObject;
  const kind = kindOf(model);
  const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
  const spelling = tokenizer.vocabulary();
  const ids = new Map(spelling.flatMap((s, i) => (s === undefined ? [] : [[s, i] as const])));
  const added = (files.tokenizer.added_tokens ?? []) as JsonObject[];

  const needed = new Set<number>(added.map((t) => t.id as number));
  for (const id of options.keep ?? []) needed.add(id);
  for (const [token, id] of ids) if (isAlphabet(token, model)) needed.add(id);
  const unk = model.unk_token;
  if (typeof unk === 'string' && ids.has(unk)) needed.add(ids.get(unk)!);
  if (kind === 'Unigram') for (const id of unigramAnchors(model)) needed.add(id);
  const parts = kind === 'BPE' ? derivations(model) : undefined;

  const counts = new Map<number, number>();
  for (const text of options.texts ?? []) {
    for (const id of tokenizer.encode(text, { addSpecial: false })) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const whole = new Set(added.map((t) => t.id as number)); // never merged from parts
  const closure = (id: number): number[] => {
    const from = whole.has(id) || spelling[id] === undefined ? [] : (parts?.(spelling[id]) ?? []);
    return [id, ...from.map((s) => ids.get(s)!)];
  };
  for (const id of [...needed]) for (const part of closure(id)) needed.add(part);
  const limit = options.maxSize ?? Number.POSITIVE_INFINITY;
  if (needed.size > limit) {
    throw new DecantError('usage', 'added tokens and alphabet alone need more', {
      at: 'maxSize',
      seen: limit,
      allowed: `from ${needed.size}`,
    });
  }
  for (const [id] of [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])) {
    const more = closure(id).filter((i) => !needed.has(i));
    if (needed.size + new Set(more).size <= limit) for (const i of more) needed.add(i);
  }

  const kept = Int32Array.from([...needed].filter((id) => spelling[id] !== undefined)).sort();
  const renumber = new Map([...kept].map((old, id) => [old, id]));
  const newId = (old: number): number | undefined => renumber.get(old);
  return {
    tokenizer: trimJson(files.tokenizer, newId),
    tokenizerConfig: trimConfig(files.tokenizerConfig, newId),
    kept,
    newId,
  };
}

type Kind = 'BPE' | 'WordPiece' | 'WordLevel' | 'Unigram';

function kindOf(model: JsonObject): Kind {
  const { type } = model;
  if (type === 'BPE' || type === 'WordPiece' || type === 'WordLevel' || type === 'Unigram') return type;
  if (Array.isArray(model.vocab)) return 'Unigram';
  if (Array.isArray(model.merges)) return 'BPE';
  if (typeof model.continuing_subword_prefix === 'string') return 'WordPiece';
  throw new DecantError('model', 'this kind of vocabulary cannot be trimmed', {
    at: 'tokenizer.json: model.type',
    seen: type ?? null,
    allowed: 'BPE, WordPiece, WordLevel, Unigram',
  });
}

const BYTE_CHARS = new Set(BYTE_TO_CHAR);

/** Single characters, continued or not, and byte tokens: with these every text keeps its encoding, if a longer one. */
function isAlphabet(token: string, model: JsonObject): boolean {
  if (/^<0x[0-9A-F]{2}>$/.test(token) || BYTE_CHARS.has(token)) return true;
  if (kindOf(model) === 'WordLevel') return false;
  const prefix = typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix : '';
  const suffix = typeof model.end_of_word_suffix === 'string' ? model.end_of_word_suffix : '';
  let bare = prefix !== '' && token.startsWith(prefix) ? token.slice(prefix.length) : token;
  if (suffix !== '' && bare.endsWith(suffix)) bare = bare.slice(0, -suffix.length);
  return bare.length > 0 && bare.length === String.fromCodePoint(bare.codePointAt(0)!).length;
}

/** The unknown entry, and the entry of least score, from which the score of unknown text is reckoned. */
function unigramAnchors(model: JsonObject): number[] {
  const scores = (model.vocab as [string, number][]).map(([, score]) => score);
  const least = scores.reduce((best, s, i) => (s < scores[best] ? i : best), 0);
  return typeof model.unk_id === 'number' ? [least, model.unk_id] : [least];
}

/** For a BPE token, the tokens that come up while it is merged: these, and only these, must stay as well. */
function derivations(model: JsonObject): (token: string) => string[] {
  const pairs = mergePairs(model);
  const ranks = new Map(pairs.map(([a, b], i) => [`${a} ${b}`, i]));
  const prefix = typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix : '';
  const suffix = typeof model.end_of_word_suffix === 'string' ? model.end_of_word_suffix : '';
  return (token) => {
    let symbols = Array.from(
      suffix !== '' && token.endsWith(suffix) ? token.slice(0, -suffix.length) : token,
    );
    if (suffix !== '' && token.endsWith(suffix)) symbols[symbols.length - 1] += suffix;
    if (prefix !== '') symbols = symbols.map((s, i) => (i === 0 ? s : prefix + s));
    const seen = [...symbols];
    while (symbols.length > 1) {
      let best = -1;
      let bestRank = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`);
        if (rank !== undefined && rank < bestRank) {
          bestRank = rank;
          best = i;
        }
      }
      if (best < 0) break;
      const right = symbols[best + 1];
      const merged =
        symbols[best] + (prefix !== '' && right.startsWith(prefix) ? right.slice(prefix.length) : right);
      symbols.splice(best, 2, merged);
      seen.push(merged);
    }
    const vocab = model.vocab as JsonObject;
    return seen.filter((s) => Object.hasOwn(vocab, s));
  };
}

const mergePairs = (model: JsonObject): [string, string][] =>
  (model.merges as (string | [string, string])[]).map((m) =>
    typeof m === 'string' ? [m.slice(0, m.indexOf(' ')), m.slice(m.indexOf(' ') + 1)] : m,
  );

function trimJson(tokenizer: JsonObject, newId: (old: number) => number | undefined): JsonObject {
  const out = structuredClone(tokenizer);
  const model = out.model as JsonObject;
  if (Array.isArray(model.vocab)) {
    model.vocab = model.vocab.filter((_, i) => newId(i) !== undefined);
    if (typeof model.unk_id === 'number') model.unk_id = newId(model.unk_id)!;
  } else {
    const entries = Object.entries(model.vocab as Record<string, number>);
    const stay = entries.flatMap(([token, id]) =>
      newId(id) === undefined ? [] : [[token, newId(id)!] as const],
    );
    model.vocab = Object.fromEntries(stay.sort((a, b) => a[1] - b[1]));
  }
  if (Array.isArray(model.merges)) {
    const vocab = model.vocab as JsonObject;
    const prefix = typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix : '';
    const pairs = mergePairs(model);
    model.merges = model.merges.filter((_, i) => {
      const [a, b] = pairs[i];
      const joined = a + (prefix !== '' && b.startsWith(prefix) ? b.slice(prefix.length) : b);
      return Object.hasOwn(vocab, a) && Object.hasOwn(vocab, b) && Object.hasOwn(vocab, joined);
    });
  }
  out.added_tokens = ((out.added_tokens ?? []) as JsonObject[]).map((t) => ({
    ...t,
    id: newId(t.id as number)!,
  }));
  const padding = out.padding as JsonObject | null;
  if (padding && typeof padding.pad_id === 'number') padding.pad_id = newId(padding.pad_id) ?? 0;
  trimProcessor(out.post_processor ?? null, newId);
  return out;
}

/** Post-processors hold ids: `ids` lists of templates, `[token, id]` pairs of the older kinds. */
function trimProcessor(processor: Json, newId: (old: number) => number | undefined): void {
  if (!processor || typeof processor !== 'object' || Array.isArray(processor)) return;
  for (const inner of (processor.processors ?? []) as Json[]) trimProcessor(inner, newId);
  if (processor.type === 'TemplateProcessing') {
    for (const t of Object.values(processor.special_tokens as Record<string, { ids: number[] }>)) {
      t.ids = t.ids.map((id) => newId(id)!);
    }
  }
  for (const role of ['sep', 'cls']) {
    const pair = processor[role];
    if (Array.isArray(pair) && typeof pair[1] === 'number') pair[1] = newId(pair[1])!;
  }
}

function trimConfig(config: JsonObject, newId: (old: number) => number | undefined): JsonObject {
  const decoder = config.added_tokens_decoder;
  if (!decoder || typeof decoder !== 'object' || Array.isArray(decoder)) return { ...config };
  const moved = Object.entries(decoder).flatMap(([id, token]) => {
    const to = newId(Number(id));
    return to === undefined ? [] : [[String(to), token] as const];
  });
  return { ...config, added_tokens_decoder: Object.fromEntries(moved) };
}

/**
 * A config.json or generation_config.json for the trimmed vocabulary: `vocab_size` and every `*_token_id(s)`. Ids that
 * were given up become null.
 */
export function trimModelConfig(config: JsonObject, trimmed: TrimmedTokenizer): JsonObject {
  const move = (id: Json): Json => (typeof id === 'number' ? (trimmed.newId(id) ?? null) : id);
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      if (key === 'vocab_size') return [key, trimmed.kept.length];
      if (!/_token_ids?$/.test(key)) return [key, value];
      return [key, Array.isArray(value) ? value.map(move).filter((id) => id !== null) : move(value)];
    }),
  );
}
