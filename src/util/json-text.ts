import { DecantError, type ErrorCode } from './errors.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** One `"key": value` of a JSON object with the place of its value in the text. */
export interface JsonMember {
  key: string;
  begin: number;
  end: number;
}

/** Deeper values would overflow the stack of whatever walks them. */
const MAX_DEPTH = 256;

/** Parses JSON; the error carries `file:line:column`. */
export function parseJson(text: string, at: string, code: ErrorCode = 'data'): Json {
  const depth = nestingDepth(text);
  if (depth > MAX_DEPTH) {
    throw new DecantError(code, 'nested too deeply', {
      at,
      seen: depth,
      allowed: `at most ${MAX_DEPTH} levels`,
    });
  }
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const position = /position (\d+)/.exec(message);
    const place = position ? `:${lineAndColumn(text, Number(position[1]))}` : '';
    throw new DecantError(code, `not valid JSON (${message})`, {
      at: `${at}${place}`,
      fix: 'write the file again or repair it in an editor',
      cause,
    });
  }
}

/** As {@link parseJson}, and the value must be an object. */
export function parseJsonObject(text: string, at: string, code: ErrorCode = 'data'): JsonObject {
  const value = parseJson(text, at, code);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new DecantError(code, 'the top level is not a JSON object', { at, seen: value, allowed: '{...}' });
  }
  return value;
}

/** Structural equality of JSON values; the order of keys does not count. */
export function jsonEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((v, i) => jsonEqual(v, b[i]));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((k) => Object.hasOwn(b, k) && jsonEqual(a[k], b[k]));
}

/**
 * A changed object written back over its old text: members that did not change keep their spelling to the byte
 * (`1e-05`, integers beyond 2^53, blanks), changed and new ones are written with two-space indentation.
 * Returns the old text itself when nothing changed.
 */
export function patchJsonText(oldText: string, value: JsonObject): string {
  const old = JSON.parse(oldText) as JsonObject;
  if (jsonEqual(old, value)) return oldText;
  const spelling = new Map(scanJson(oldText).members.map((m) => [m.key, oldText.slice(m.begin, m.end)]));
  const lines = Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .map(([key, v]) => {
      const kept = Object.hasOwn(old, key) && jsonEqual(old[key], v) ? spelling.get(key) : undefined;
      return `  ${JSON.stringify(key)}: ${kept ?? JSON.stringify(v, null, 2).replaceAll('\n', '\n  ')}`;
    });
  const body = lines.length > 0 ? `{\n${lines.join(',\n')}\n}` : '{}';
  return oldText.endsWith('\n') ? `${body}\n` : body;
}

/** The members of a valid JSON object's top level, and the first key written twice at any depth. */
export function scanJson(text: string): { members: JsonMember[]; duplicate?: string } {
  const members: JsonMember[] = [];
  const keysByDepth: (Set<string> | undefined)[] = [];
  let duplicate: string | undefined;
  let key: string | undefined; // the last string read: a key if a colon follows
  let valueEnd = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) continue;
    if (c === 0x22) {
      const end = stringEnd(text, i);
      key = text.slice(i, end);
      i = end - 1;
    } else if (c === 0x7b || c === 0x5b) {
      keysByDepth.push(c === 0x7b ? new Set() : undefined);
    } else if (c === 0x7d || c === 0x5d || c === 0x2c) {
      if (keysByDepth.length === 1 && members.length > 0) members[members.length - 1].end = valueEnd;
      if (c !== 0x2c) keysByDepth.pop();
    } else if (c === 0x3a && key !== undefined) {
      const name = JSON.parse(key) as string;
      const keys = keysByDepth[keysByDepth.length - 1];
      if (keys?.has(name)) duplicate ??= name;
      keys?.add(name);
      if (keysByDepth.length === 1) members.push({ key: name, begin: skipSpace(text, i + 1), end: i + 1 });
    }
    valueEnd = i + 1;
  }
  return duplicate === undefined ? { members } : { members, duplicate };
}

function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) i = stringEnd(text, i) - 1;
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}

function stringEnd(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i + 1;
}

function skipSpace(text: string, i: number): number {
  while (i < text.length && ' \n\r\t'.includes(text[i])) i++;
  return i;
}

/** `line:column`, both from 1, of an index into the text. */
export function lineAndColumn(text: string, index: number): string {
  const before = text.slice(0, index);
  return `${before.split('\n').length}:${index - before.lastIndexOf('\n')}`;
}
