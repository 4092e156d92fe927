import { DecantError } from '../util/errors.ts';

/** Class names in index order, and a lookup from a label as written (name, or index for integer labels). */
export interface ClassList {
  names: string[];
  indexOf(label: string): number | undefined;
}

/** Classes by name; a label that is no name but an integer in range counts as an index. Errors: `data` for repeated names. */
export function createClassList(names: readonly string[], at = 'data.classes'): ClassList {
  const byName = new Map(names.map((name, i) => [name, i]));
  if (byName.size !== names.length) {
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    throw new DecantError('data', 'a class is listed twice', { at, seen: twice });
  }
  return {
    names: [...names],
    indexOf(label) {
      const named = byName.get(label);
      if (named !== undefined) return named;
      if (!/^\d+$/.test(label)) return undefined;
      const index = Number(label);
      return index < names.length ? index : undefined;
    },
  };
}

/** Class names from the labels that occur: whole numbers by value, all else by code point, so that the order is stable. */
export function classNamesFrom(labels: Iterable<string>): string[] {
  const names = [...new Set(labels)];
  const numeric = names.every((name) => /^-?\d+$/.test(name));
  return names.sort(numeric ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
