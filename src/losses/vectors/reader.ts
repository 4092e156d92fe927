import { DecantError } from '../../util/errors.ts';
import type { Json, VectorCase } from './types.ts';

/**
 * Parameters and inputs of a case, typed; null is as good as absent. It remembers which parameters were read: a switch
 * that nobody looked at makes the case fail instead of passing by luck.
 */
export interface CaseReader {
  /** A number among the parameters; without `fallback` its absence is an error. */
  number(key: string, fallback?: number): number;
  /** A number among the parameters, or undefined: the default of the function it is passed to. */
  optional(key: string): number | undefined;
  /** A string among the parameters. */
  text(key: string, fallback?: string): string;
  /** One of `allowed` among the parameters; another value is an error. */
  choice<const T extends string>(key: string, allowed: readonly T[], fallback?: NoInfer<T>): T;
  /** A boolean among the parameters. */
  flag(key: string, fallback?: boolean): boolean;
  /** A parameter as it stands; undefined when absent. */
  param(key: string): Json | undefined;
  /** Whether the case has this input. */
  has(key: string): boolean;
  /** An input as it stands in the file ("-inf" turned into -Infinity). */
  input<T = Json>(key: string): T;
  /** Parameters that nobody read. */
  unread(): string[];
}

export function caseReader(c: VectorCase): CaseReader {
  const seen = new Set<string>();
  const get = <T>(
    key: string,
    fallback: T | undefined,
    is: (v: unknown) => v is T & Json,
    what: string,
  ): T => {
    seen.add(key);
    const v = c.params[key] ?? undefined;
    if (v === undefined && fallback !== undefined) return fallback;
    if (!is(v)) {
      throw new DecantError('data', `the case needs ${what}`, { at: `params.${key}`, seen: v ?? 'nothing' });
    }
    return v;
  };
  const number = (key: string, fallback?: number): number =>
    get(key, fallback, (v): v is number => typeof v === 'number', 'a number');
  const param = (key: string): Json | undefined => {
    seen.add(key);
    return c.params[key] ?? undefined;
  };
  return {
    number,
    optional: (key) => (param(key) === undefined ? undefined : number(key)),
    text: (key, fallback) => get(key, fallback, (v): v is string => typeof v === 'string', 'a string'),
    choice: <T extends string>(key: string, allowed: readonly T[], fallback?: T): T =>
      get(key, fallback, (v): v is T => allowed.includes(v as T), `one of ${allowed.join(', ')}`),
    flag: (key, fallback) => get(key, fallback, (v): v is boolean => typeof v === 'boolean', 'a boolean'),
    param,
    has: (key) => (c.inputs[key] ?? undefined) !== undefined,
    input: <T>(key: string) => {
      if ((c.inputs[key] ?? undefined) === undefined)
        throw new DecantError('data', 'the case lacks an input', {
          at: `inputs.${key}`,
          allowed: Object.keys(c.inputs).join(', '),
        });
      return withInfinities(c.inputs[key]) as T;
    },
    unread: () => Object.keys(c.params).filter((k) => !seen.has(k)),
  };
}

/** JSON has no infinities: the strings "-inf" and "inf" stand for them. */
export function withInfinities(v: Json): Json {
  if (v === '-inf') return Number.NEGATIVE_INFINITY;
  if (v === 'inf') return Number.POSITIVE_INFINITY;
  if (Array.isArray(v)) return v.map(withInfinities);
  if (typeof v === 'object' && v !== null)
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, withInfinities(x)]));
  return v;
}
