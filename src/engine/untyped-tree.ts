import { treeMap, treeUnflatten } from '../graph/tree.ts';

// The mapped types of treeMap and treeUnflatten have no end where the tree's own type is a type parameter or
// recursive; these are the same functions without them.

/** Applies `fn` to each leaf. */
export const mapLeaves = treeMap as unknown as <L>(
  tree: unknown,
  fn: (leaf: L, path: string) => unknown,
) => unknown;

/** The structure with other leaves, in order. */
export const rebuildTree = treeUnflatten as unknown as (
  structure: unknown,
  leaves: readonly unknown[],
) => unknown;
