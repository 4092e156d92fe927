import { createRng, type Rng } from '../util/rng.ts';
import type { Example } from './types.ts';

/**
 * Takes `count` examples out of `items`, seeded and stratified: every class gives its share, rounded by largest
 * remainder, and no class with two or more examples is emptied. Examples with the same `group` stay together (the
 * count is then met only as nearly as groups allow). Order within both parts follows `items`.
 */
export function takeStratified<E extends Pick<Example, 'label' | 'group'>>(
  items: readonly E[],
  count: number,
  seed: number | string,
): { taken: E[]; rest: E[] } {
  const rng = createRng(`split/${seed}`);
  const chosen = items.some((e) => e.group !== undefined)
    ? byGroup(items, count, rng)
    : byClass(items, count, rng);
  return { taken: items.filter((_, i) => chosen.has(i)), rest: items.filter((_, i) => !chosen.has(i)) };
}

function byClass(items: readonly Pick<Example, 'label'>[], count: number, rng: Rng): Set<number> {
  const classes = new Map<number, number[]>();
  items.forEach((e, i) => {
    const list = classes.get(e.label ?? -1);
    if (list) list.push(i);
    else classes.set(e.label ?? -1, [i]);
  });
  const share = Math.min(1, count / Math.max(1, items.length));
  const parts = [...classes.keys()]
    .sort((a, b) => a - b)
    .map((label) => {
      const members = rng.fork(label).shuffle([...classes.get(label)!]);
      const exact = members.length * share;
      // The last example of a class stays where it is, unless everything is taken.
      const most = share < 1 && members.length > 1 ? members.length - 1 : members.length;
      return { members, exact, most, n: Math.min(most, Math.floor(exact)) };
    });
  let missing = Math.min(count, items.length) - parts.reduce((sum, p) => sum + p.n, 0);
  const byRemainder = [...parts].sort(
    (a, b) => b.exact - Math.floor(b.exact) - (a.exact - Math.floor(a.exact)),
  );
  for (let progress = true; missing > 0 && progress; ) {
    progress = false;
    for (const part of byRemainder) {
      if (missing === 0 || part.n >= part.most) continue;
      part.n++;
      missing--;
      progress = true;
    }
  }
  return new Set(parts.flatMap((p) => p.members.slice(0, p.n)));
}

function byGroup(items: readonly Pick<Example, 'group'>[], count: number, rng: Rng): Set<number> {
  const groups = new Map<string, number[]>();
  items.forEach((e, i) => {
    const key = e.group ?? `\u0000${i}`;
    const list = groups.get(key);
    if (list) list.push(i);
    else groups.set(key, [i]);
  });
  const chosen = new Set<number>();
  for (const members of rng.shuffle([...groups.values()])) {
    // A group goes over when that brings the count nearer to what was asked for.
    if (chosen.size + members.length / 2 <= count) for (const i of members) chosen.add(i);
  }
  return chosen;
}

export type Balance = 'none' | 'oversample' | 'undersample' | 'weight';

/**
 * Evens out classes: repeats examples of rare classes, leaves out examples of frequent ones, or sets `weight` to
 * n / (classes * n_class), whose mean is 1. Unlabelled examples pass through.
 */
export function balanceClasses<E extends Example>(
  items: readonly E[],
  how: Balance,
  seed: number | string,
): E[] {
  if (how === 'none') return [...items];
  const counts = new Map<number, E[]>();
  for (const e of items) {
    if (e.label === undefined || e.label < 0) continue;
    const list = counts.get(e.label);
    if (list) list.push(e);
    else counts.set(e.label, [e]);
  }
  const labelled = [...counts.values()].reduce((n, list) => n + list.length, 0);
  if (how === 'weight')
    return items.map((e) => {
      const own = counts.get(e.label ?? -1)?.length;
      return own ? { ...e, weight: ((e.weight ?? 1) * labelled) / (counts.size * own) } : e;
    });
  const sizes = [...counts.values()].map((list) => list.length);
  const target = how === 'oversample' ? Math.max(...sizes) : Math.min(...sizes);
  const rng = createRng(`balance/${seed}`);
  const out = items.filter((e) => e.label === undefined || e.label < 0);
  for (const label of [...counts.keys()].sort((a, b) => a - b)) {
    const list = rng.fork(label).shuffle([...counts.get(label)!]);
    for (let i = 0; i < target; i++) out.push(list[i % list.length]);
  }
  return rng.shuffle(out);
}
