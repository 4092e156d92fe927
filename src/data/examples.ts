import type { ColumnPlan } from './columns.ts';
import { encodingDamage, normalizeText, type TextNormalization } from './normalize.ts';
import { excerpt } from './problems.ts';
import type { RoleName } from './roles.ts';
import type { Example, Problem, ProblemKind, RawRow } from './types.ts';

export interface ExampleOptions {
  plan: ColumnPlan;
  normalize: TextNormalization;
  /** Class index of a label as written, or undefined when it is none of the classes. */
  labelIndex?: (label: string) => number | undefined;
  /** Called with the label as written, before classes are known. */
  onLabel?: (label: string) => void;
  /** Rows without a gold answer are accepted. */
  unlabelled?: boolean;
}

class Rejected extends Error {
  readonly kind: ProblemKind;
  constructor(kind: ProblemKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A row as an example of the task, or the problem that keeps it out. The label as written is returned beside it. */
export function toExample(
  row: RawRow,
  options: ExampleOptions,
): { example: Example; label?: string } | { problem: Problem } {
  const { plan } = options;
  const example: Record<string, unknown> & Located = { file: row.file, line: row.line };
  let label: string | undefined;
  try {
    for (const { role, spec, columns, read } of plan.readers) {
      const value = read(row.values);
      if (value === undefined || value === null || value === '') {
        if (plan.form.may.includes(role) || (options.unlabelled && plan.form.gold.includes(role))) continue;
        const what = value === undefined ? 'missing' : 'empty';
        throw new Rejected(
          what,
          `${columns.join(', ')} is ${value === undefined ? 'absent' : 'empty'} (role ${role})`,
        );
      }
      if (spec.kind === 'label') {
        label = labelText(value, columns[0]);
        options.onLabel?.(label);
        const index = options.labelIndex?.(label);
        if (options.labelIndex && index === undefined)
          throw new Rejected('unknown-label', `${JSON.stringify(label)} is not one of the classes`);
        example.label = index;
      } else example[spec.field] = convert(value, spec.kind, columns, options, role, row.values);
      if (spec.kind === 'image') example.shape = row.values.shape;
    }
    if (plan.keep.length > 0)
      example.meta = Object.fromEntries(plan.keep.map((c) => [c, String(row.values[c] ?? '')]));
    if (plan.form.groupBy) example.group ??= example[plan.form.groupBy];
    const { responses, scores } = example as Partial<Example>;
    if (responses && scores && responses.length !== scores.length)
      throw new Rejected('ragged', `${responses.length} responses with ${scores.length} scores`);
    return { example: example as unknown as Example, label };
  } catch (e) {
    if (!(e instanceof Rejected)) throw e;
    const raw = excerpt(plan.form.needs[0] === 'image' ? { ...row.values, image: undefined } : row.values);
    return { problem: { kind: e.kind, file: row.file, line: row.line, message: e.message, raw } };
  }
}

type Located = Pick<Example, 'file' | 'line'>;

function labelText(value: unknown, column: string): string {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  throw new Rejected(
    'type',
    `${column} holds ${Array.isArray(value) ? 'a list' : typeof value} where a class name or index is expected`,
  );
}

function convert(
  value: unknown,
  kind: string,
  columns: string[],
  options: ExampleOptions,
  role: RoleName,
  row: Record<string, unknown>,
): unknown {
  const name = columns.join(', ');
  switch (kind) {
    case 'text':
      return text(value, name, options.normalize);
    case 'texts':
      return list(value, name).map((v) => text(v, name, options.normalize));
    case 'numbers':
      return list(value, name).map((v) => number(v, name));
    case 'number':
      return number(value, name);
    case 'boolean':
      return boolean(value, name);
    case 'features':
      return Float32Array.from(list(value, name), (v, i) => number(v, columns[i] ?? name));
    default: {
      if (value instanceof Uint8Array && Array.isArray(row.shape)) return value;
      throw new Rejected('image', `${name} (role ${role}) holds no decoded image`);
    }
  }
}

const PLAIN = /^[!-~]+(?: [!-~]+)*$/;

function text(value: unknown, column: string, how: TextNormalization): string {
  if (
    typeof value !== 'string' &&
    typeof value !== 'number' &&
    typeof value !== 'boolean' &&
    typeof value !== 'bigint'
  )
    throw new Rejected(
      'type',
      `${column} holds ${Array.isArray(value) ? 'a list' : 'an object'} where text is expected`,
    );
  const raw = String(value);
  // Most rows: printable ASCII with single spaces needs no cleaning.
  if (PLAIN.test(raw)) return how.lowercase ? raw.toLowerCase() : raw;
  const damage = encodingDamage(raw);
  if (damage) throw new Rejected('encoding', `${column}: ${damage}`);
  const clean = normalizeText(raw, how);
  if (clean.trim() === '') throw new Rejected('empty', `${column} holds only white space`);
  return clean;
}

function list(value: unknown, column: string): unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  if (ArrayBuffer.isView(value)) return Array.from(value as Float32Array);
  if (typeof value === 'string' && value.trim().startsWith('[')) {
    try {
      const parsed: unknown = JSON.parse(value);
      if (Array.isArray(parsed) && parsed.length > 0) return parsed;
    } catch {
      // reported below
    }
  }
  throw new Rejected('type', `${column} holds ${excerpt(value)} where a list is expected`);
}

function number(value: unknown, column: string): number {
  const n = typeof value === 'string' ? (value.trim() === '' ? Number.NaN : Number(value)) : Number(value);
  if (Number.isFinite(n) && typeof value !== 'boolean') return n;
  throw new Rejected(
    'type',
    `${column} holds ${JSON.stringify(value) ?? String(value)} where a number is expected`,
  );
}

const TRUE = ['true', '1', 'yes', 'y', 'good', 'liked', 'positive'];
const FALSE = ['false', '0', '-1', 'no', 'n', 'bad', 'disliked', 'negative'];

function boolean(value: unknown, column: string): boolean {
  const word = String(value).trim().toLowerCase();
  if (TRUE.includes(word)) return true;
  if (FALSE.includes(word)) return false;
  throw new Rejected('type', `${column} holds ${JSON.stringify(value)} where true or false is expected`);
}
