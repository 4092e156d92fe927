import type { z } from 'zod';

export type Path = readonly (string | number)[];

/** `train.optimizer.lr`, `seeds[0]`. */
export const showPath = (path: Path): string =>
  path.reduce<string>(
    (out, part) => (typeof part === 'number' ? `${out}[${part}]` : out === '' ? part : `${out}.${part}`),
    '',
  );

/** The inverse of {@link showPath}; numbers after a dot count as indices too. */
export const parsePath = (text: string): (string | number)[] =>
  text
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));

/** The value at a path, or undefined. */
export const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, part) => (value as Record<string | number, unknown> | null | undefined)?.[part],
    root,
  );

interface Def {
  type: string;
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  shape?: Record<string, z.core.$ZodType>;
  options?: z.core.$ZodType[];
  element?: z.core.$ZodType;
  items?: z.core.$ZodType[];
  valueType?: z.core.$ZodType;
  discriminator?: string;
  entries?: Record<string, string>;
  values?: unknown[];
}
export const defOf = (schema: z.core.$ZodType): Def => schema._zod.def as unknown as Def;

/**
 * The plain schemas behind defaults, optionals and unions. A discriminated union is narrowed by the value where that
 * names one of its members.
 */
export function alternatives(schema: z.core.$ZodType, value?: unknown): z.core.$ZodType[] {
  const def = defOf(schema);
  if (def.innerType) return alternatives(def.innerType, value);
  if (def.type === 'pipe' && def.in) return alternatives(def.in, value);
  if (def.type !== 'union' || !def.options) return [schema];
  const chosen = def.discriminator
    ? (value as Record<string, unknown> | undefined)?.[def.discriminator]
    : undefined;
  const members = def.options.filter((o) => {
    const key = def.discriminator && defOf(o).shape?.[def.discriminator];
    return chosen === undefined || !key || (defOf(key).values ?? []).includes(chosen);
  });
  return (members.length > 0 ? members : def.options).flatMap((o) => alternatives(o, value));
}

/** The schemas that a path can lead to, given the value that stands there; [] when the path is not known. */
export function schemasAt(root: z.core.$ZodType, path: Path, value?: unknown): z.core.$ZodType[] {
  let found = alternatives(root, value);
  let here = value;
  for (const part of path) {
    here = (here as Record<string | number, unknown> | null | undefined)?.[part];
    found = found.flatMap((schema) => {
      const def = defOf(schema);
      const next =
        def.type === 'object'
          ? Object.hasOwn(def.shape ?? {}, String(part))
            ? def.shape?.[String(part)]
            : undefined
          : def.type === 'array' && typeof part === 'number'
            ? def.element
            : def.type === 'tuple' && typeof part === 'number'
              ? def.items?.[part]
              : def.type === 'record'
                ? def.valueType
                : undefined;
      return next ? alternatives(next, here) : def.type === 'unknown' ? [schema] : [];
    });
  }
  return found;
}

/** Keys that an object at this path may have. */
export const keysAt = (root: z.core.$ZodType, path: Path, value?: unknown): string[] => [
  ...new Set(schemasAt(root, path, value).flatMap((s) => Object.keys(defOf(s).shape ?? {}))),
];

/** What a schema takes, in words: `adamw | adam | sgd`, `a whole number`, `text`. */
export function describeSchema(schemas: readonly z.core.$ZodType[]): string {
  const words = schemas.map((schema) => {
    const def = defOf(schema);
    if (def.type === 'enum') return Object.values(def.entries ?? {}).join(', ');
    if (def.type === 'literal') return (def.values ?? []).map((v) => JSON.stringify(v)).join(', ');
    if (def.type === 'number')
      return (def as { format?: string }).format === 'safeint' || isInteger(schema)
        ? 'a whole number'
        : 'a number';
    if (def.type === 'object')
      return `a mapping with ${Object.keys(def.shape ?? {})
        .slice(0, 6)
        .join(', ')}`;
    const names: Record<string, string> = {
      string: 'text',
      boolean: 'true or false',
      array: 'a list',
      tuple: 'a list',
      record: 'a mapping',
      null: 'null',
      unknown: 'any value',
    };
    return names[def.type] ?? def.type;
  });
  return [...new Set(words)].join(', or ');
}

const isInteger = (schema: z.core.$ZodType): boolean =>
  ((schema._zod.def as { checks?: { _zod: { def: { format?: string } } }[] }).checks ?? []).some(
    (c) => c._zod.def.format === 'safeint',
  );
