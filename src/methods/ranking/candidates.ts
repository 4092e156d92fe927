import { concat, slice, type Tensor } from '../../graph/index.ts';

/** Candidates from .. to - 1 of each query: `[queries, n]` to `[queries, to - from]`. */
export const candidate = (x: Tensor, from: number, to?: number): Tensor =>
  slice(x, { axes: [1], starts: [from], ends: [to] });

/** The lists turned so that candidate i stands first. */
export const rotate = (x: Tensor, i: number): Tensor =>
  i === 0 ? x : concat([candidate(x, i), candidate(x, 0, i)], 1);
