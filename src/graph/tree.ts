/** A tree of leaves in plain arrays and objects: parameters, optimizer states, batches. */
export type Tree<L> = L | readonly Tree<L>[] | { readonly [key: string]: Tree<L> };

/** The same tree with leaves of type `M` where there were leaves of type `L`. */
export type MapTree<T, L, M> = T extends L
  ? M
  : T extends object
    ? { [K in keyof T]: MapTree<T[K], L, M> }
    : never;

const isBranch = (x: unknown): x is object =>
  Array.isArray(x) ||
  (typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype && !isHostArray(x));

/** Host arrays are plain objects with dtype, shape and data: leaves. */
const isHostArray = (x: object): boolean => 'dtype' in x && 'shape' in x && 'data' in x;

/** Leaves in a fixed order (object keys in insertion order), each with its dotted path. */
export function treeEntries<L>(tree: unknown, path = ''): [string, L][] {
  if (!isBranch(tree)) return tree === undefined ? [] : [[path, tree as L]];
  return Object.entries(tree).flatMap(([k, v]) => treeEntries<L>(v, path === '' ? k : `${path}.${k}`));
}

export const treeLeaves = <L>(tree: unknown): L[] => treeEntries<L>(tree).map(([, leaf]) => leaf);

/** Applies `fn` to each leaf; `path` is dotted (`encoder.layer.0.weight`). */
export function treeMap<L, M, T = Tree<L>>(
  tree: T,
  fn: (leaf: L, path: string) => M,
  path = '',
): MapTree<T, L, M> {
  const walk = (t: unknown, at: string): unknown => {
    if (t === undefined) return undefined;
    if (!isBranch(t)) return fn(t as L, at);
    const child = (k: string): string => (at === '' ? k : `${at}.${k}`);
    if (Array.isArray(t)) return t.map((v, i) => walk(v, child(String(i))));
    return Object.fromEntries(Object.entries(t).map(([k, v]) => [k, walk(v, child(k))]));
  };
  return walk(tree, path) as MapTree<T, L, M>;
}

/** A tree of the same structure with leaves taken in order from `leaves`. */
export function treeUnflatten<L, M, T = Tree<L>>(structure: T, leaves: readonly M[]): MapTree<T, L, M> {
  let i = 0;
  return treeMap<L, M, T>(structure, () => leaves[i++]);
}
