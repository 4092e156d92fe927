import type { z } from 'zod';
import { didYouMean } from '../util/suggest.ts';
import { describeSchema, keysAt, type Path, schemasAt, valueAt } from './paths.ts';
import type { Finding } from './schema/recipe.ts';

type Issue = z.core.$ZodIssue;

/** Validation issues as findings in plain words: what is wrong, what was seen, what is allowed, and the nearest name. */
export function explainIssues(
  schema: z.core.$ZodType,
  input: unknown,
  issues: readonly Issue[],
  prefix: Path = [],
): Finding[] {
  return issues
    .flatMap((issue) => explain(schema, input, issue, issue.path as (string | number)[]))
    .map((f) => ({ ...f, path: [...prefix, ...f.path] }));
}

function explain(
  schema: z.core.$ZodType,
  input: unknown,
  issue: Issue,
  path: (string | number)[],
): Finding[] {
  const seen = valueAt(input, path);
  const here = () => schemasAt(schema, path, input);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, path, input);
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: 'unknown key',
        seen: valueAt(input, [...path, key]),
        allowed: known.join(', '),
        fix: didYouMean(key, known) ?? 'remove the line',
      }));
    }
    case 'invalid_type':
      if (seen === undefined)
        return [{ path, message: 'is missing', allowed: describeSchema(here()), fix: whatFor(schema, path) }];
      return [{ path, message: `is ${kindOf(seen)}`, seen, allowed: describeSchema(here()) }];
    case 'invalid_value': {
      if (seen === undefined)
        return [
          {
            path,
            message: 'is missing',
            allowed: issue.values.map(String).join(', '),
            fix: whatFor(schema, path),
          },
        ];
      const values = issue.values.map(String);
      return [
        {
          path,
          message: 'is not one of the values',
          seen,
          allowed: values.join(', '),
          fix: typeof seen === 'string' ? didYouMean(seen, values) : undefined,
        },
      ];
    }
    case 'invalid_union':
      return explainUnion(schema, input, issue, path);
    case 'too_small':
    case 'too_big': {
      const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum;
      const list = issue.origin === 'array' || issue.origin === 'string';
      const word =
        issue.code === 'too_small'
          ? issue.inclusive
            ? 'at least'
            : 'more than'
          : issue.inclusive
            ? 'at most'
            : 'less than';
      return [
        {
          path,
          message: `is ${list ? `too ${issue.code === 'too_small' ? 'short' : 'long'}` : 'out of range'}`,
          seen,
          allowed: `${word} ${bound}${list ? (issue.origin === 'array' ? ' entries' : ' characters') : ''}`,
        },
      ];
    }
    case 'custom':
      return [{ path, message: issue.message, ...(typeof seen === 'object' ? {} : { seen }) }];
    default:
      return [{ path, message: lowerFirst(issue.message), seen }];
  }
}

/** The complaint of the union's member that the value was probably meant for. */
function explainUnion(
  schema: z.core.$ZodType,
  input: unknown,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: (string | number)[],
): Finding[] {
  const seen = valueAt(input, path);
  const key = (issue as { discriminator?: string }).discriminator;
  if (key && issue.errors.length === 0) {
    // Zod points at the mapping or at its key, depending on the schema.
    const at = path.at(-1) === key ? path : [...path, key];
    const own = valueAt(input, at);
    const kinds = schemasAt(schema, at).flatMap((s) =>
      ((s._zod.def as { values?: unknown[] }).values ?? []).map(String),
    );
    return [
      {
        path: at,
        message: own === undefined ? 'is missing' : 'is not one of the values',
        seen: own,
        allowed: kinds.join(', '),
        fix: typeof own === 'string' ? didYouMean(own, kinds) : undefined,
      },
    ];
  }
  if (seen === undefined)
    return [
      {
        path,
        message: 'is missing',
        allowed: describeSchema(schemasAt(schema, path)),
        fix: whatFor(schema, path),
      },
    ];
  // A member whose very type does not fit complains at the value itself; one that was meant complains inside it.
  const inside = issue.errors.filter(
    (list) => !list.some((i) => i.path.length === 0 && i.code === 'invalid_type'),
  );
  const [best] = inside.sort((a, b) => a.length - b.length);
  if (best)
    return best.flatMap((inner) =>
      explain(schema, input, inner, [...path, ...(inner.path as (string | number)[])]),
    );
  return [{ path, message: `is ${kindOf(seen)}`, seen, allowed: describeSchema(schemasAt(schema, path)) }];
}

/** The description of a key, as the reason why it is wanted. */
const whatFor = (schema: z.core.$ZodType, path: Path): string | undefined => {
  const parent = schemasAt(schema, path.slice(0, -1)).map(
    (s) => (s._zod.def as { shape?: Record<string, z.ZodType> }).shape?.[String(path.at(-1))],
  );
  const text = parent.map((s) => s?.description).find((d) => d);
  return text && `add ${JSON.stringify(path.at(-1))} (${text})`;
};

const kindOf = (value: unknown): string =>
  value === null
    ? 'empty'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'a mapping'
        : typeof value === 'string'
          ? 'text'
          : typeof value === 'boolean'
            ? 'true or false'
            : 'a number';

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
