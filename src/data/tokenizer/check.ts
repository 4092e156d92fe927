import { DecantError } from '../../util/errors.ts';
import type { Json, JsonObject } from '../../util/json-text.ts';

const FILE = 'tokenizer.json';
const MAX_ID = 2 ** 24;

/** Refuses a tokenizer.json whose vocabulary, merges or added tokens cannot be what they should be. */
export function checkTokenizerJson(json: JsonObject): void {
  for (const part of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder']) {
    const value = json[part];
    if (value === undefined) throw wrong(part, 'is missing', undefined, 'an object or null');
    if (value !== null && !isObject(value)) throw wrong(part, 'is not an object', value, 'an object or null');
    checkPatterns(value, part);
  }
  const { model } = json;
  if (!isObject(model)) throw wrong('model', 'is not an object', model, 'an object');
  checkVocabulary(model);
  checkMerges(model);
  checkAdded(json.added_tokens);
}

const isObject = (v: Json | undefined): v is JsonObject =>
  typeof v === 'object' && v !== null && !Array.isArray(v);
const isId = (v: Json | undefined): v is number =>
  Number.isInteger(v) && (v as number) >= 0 && (v as number) < MAX_ID;

/** Every `pattern` of a step is a string or a regular expression. */
function checkPatterns(step: Json, at: string): void {
  if (Array.isArray(step)) for (const [i, s] of step.entries()) checkPatterns(s, `${at}[${i}]`);
  if (!isObject(step)) return;
  for (const [key, value] of Object.entries(step)) {
    if (key !== 'pattern') checkPatterns(value, `${at}.${key}`);
    else if (!isObject(value) || typeof (value.String ?? value.Regex) !== 'string') {
      throw wrong(`${at}.pattern`, 'is not a pattern', value, '{"String": text} or {"Regex": text}');
    }
  }
}

function checkVocabulary(model: JsonObject): void {
  const { vocab } = model;
  if (Array.isArray(vocab)) {
    const bad = vocab.findIndex(
      (e) => !Array.isArray(e) || typeof e[0] !== 'string' || typeof e[1] !== 'number',
    );
    if (bad >= 0)
      throw wrong(`model.vocab[${bad}]`, 'is not a token with its score', vocab[bad], '["token", number]');
    const { unk_id: unk } = model;
    if (unk !== null && unk !== undefined && !(isId(unk) && unk < vocab.length)) {
      throw wrong('model.unk_id', 'is outside the vocabulary', unk, `0 to ${vocab.length - 1}`);
    }
    return;
  }
  if (!isObject(vocab))
    throw wrong('model.vocab', 'is not a vocabulary', vocab, '{"token": id} or [["token", score]]');
  const owner = new Map<number, string>();
  for (const [token, id] of Object.entries(vocab)) {
    const at = `model.vocab[${JSON.stringify(token)}]`;
    if (!isId(id)) throw wrong(at, 'is not an id', id, `whole numbers from 0 below ${MAX_ID}`);
    const other = owner.get(id);
    if (other !== undefined) throw wrong(at, `has the id of ${JSON.stringify(other)}`, id, 'each id once');
    owner.set(id, token);
  }
}

function checkMerges(model: JsonObject): void {
  const { merges } = model;
  if (merges === undefined && model.type !== 'BPE') return;
  if (!Array.isArray(merges)) throw wrong('model.merges', 'is not a list', merges, 'a list of pairs');
  const isPair = (m: Json): boolean =>
    typeof m === 'string'
      ? m.indexOf(' ') > 0
      : Array.isArray(m) && m.length === 2 && m.every((s) => typeof s === 'string');
  const bad = merges.findIndex((m) => !isPair(m));
  if (bad >= 0)
    throw wrong(`model.merges[${bad}]`, 'is not a pair', merges[bad], '"left right" or ["left", "right"]');
}

function checkAdded(added: Json | undefined): void {
  if (!Array.isArray(added)) throw wrong('added_tokens', 'is not a list', added, 'a list of tokens');
  added.forEach((t, i) => {
    if (!isObject(t) || !isId(t.id) || typeof t.content !== 'string' || t.content === '') {
      throw wrong(`added_tokens[${i}]`, 'is not a token', t, '{"id": number, "content": text, ...}');
    }
  });
}

function wrong(path: string, what: string, seen: Json | undefined, allowed: string): DecantError {
  return new DecantError('model', what, {
    at: `${FILE}: ${path}`,
    allowed,
    fix: 'write the file anew with the tool that made it',
    ...(seen === undefined ? {} : { seen }),
  });
}
