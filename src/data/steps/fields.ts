import { z } from 'zod';
import { DecantError } from '../../util/errors.ts';
import type { TextRecord } from './step.ts';

const TEXTS = ['text', 'prompt', 'response', 'chosen', 'rejected', 'pair'] as const;

/** Where a step finds its text: a field of the row, a kept column, or something an earlier step found. */
export const field = z
  .string()
  .min(1)
  .describe('text, prompt, response, a column of data.keep, or a fact of an earlier step');

/** A field as text, or undefined where the row has none. */
export function textIn(record: TextRecord, name: string): string | undefined {
  const value = (TEXTS as readonly string[]).includes(name)
    ? (record as unknown as Record<string, string | undefined>)[name]
    : (record.facts?.[name] ?? record.meta?.[name]);
  return value === undefined ? undefined : String(value);
}

/** A field as text. Errors: `data` with the fields that the row has. */
export function requireText(record: TextRecord, name: string, at: string): string {
  const value = textIn(record, name);
  if (value !== undefined) return value;
  const known = [
    ...TEXTS.filter((t) => (record as unknown as Record<string, unknown>)[t] !== undefined),
    ...Object.keys(record.meta ?? {}),
    ...Object.keys(record.facts ?? {}),
  ];
  throw new DecantError('data', 'a row has no such field', {
    at: `${at}, ${record.file}:${record.line}`,
    seen: name,
    allowed: known.join(', '),
    fix: 'columns of the source come along when data.keep lists them; figures are left by earlier steps, such as score by judge',
  });
}

/** A fact as a number. Errors: `data` when no earlier step left it. */
export function requireNumber(record: TextRecord, name: string, at: string): number {
  const value = Number(requireText(record, name, at));
  if (Number.isFinite(value)) return value;
  throw new DecantError('data', 'this field is no number', {
    at: `${at}, ${record.file}:${record.line}`,
    seen: `${name} = ${textIn(record, name)}`,
  });
}

/** What the row is about, for comparisons: `text`, or prompt and response. */
export const wholeText = (r: TextRecord): string =>
  r.text ?? [r.prompt, r.response].filter((t) => t !== undefined).join('\n');

/** The text a filter looks at: the named field, or everything. */
export const textFor = (r: TextRecord, name: string | undefined, at: string): string =>
  name === undefined ? wholeText(r) : requireText(r, name, at);

/** Fills `{prompt}`, `{response}`, `{text}` and kept columns into a template. Errors: `data` for an unknown one. */
export const fill = (template: string, record: TextRecord, at: string): string =>
  template.replace(/\{([A-Za-z_][\w.-]*)\}/g, (_, name: string) => requireText(record, name, at));

/** Rows by their prompt, in order of first appearance. */
export function byPrompt(records: readonly TextRecord[]): Map<string, TextRecord[]> {
  const groups = new Map<string, TextRecord[]>();
  for (const r of records) {
    const key = r.prompt ?? r.text ?? '';
    const group = groups.get(key);
    if (group) group.push(r);
    else groups.set(key, [r]);
  }
  return groups;
}
