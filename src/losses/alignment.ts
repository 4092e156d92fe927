import {
  add,
  array,
  constant,
  exp,
  expandDims,
  gather,
  gatherElements,
  mul,
  segmentSum,
  squeeze,
  stopGradient,
  sub,
  type Tensor,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { log1mExp, logMass, weigh } from './numerics.ts';

/** Groups of token positions of both tokenizations that cover the same bytes. */
export interface ByteAlignment {
  student: number[][];
  teacher: number[][];
}

/**
 * Groups tokens of two tokenizations of one text that end at the same byte: two pointers, the side that ends earlier
 * advances; leftovers form a last group, which may
 * lack one side (leave it out before merging). Host code.
 *
 * @param studentOffsets [start, end) bytes of each student token
 * @param teacherOffsets [start, end) bytes of each teacher token
 * @returns positions of each group, on both sides
 * @source TRL's code, GOLD trainer (extended universal logit distillation), after Patiño et al. 2025
 * @example
 * alignByBytes([[0, 2], [2, 5]], [[0, 5]]) // => { "student": [[0, 1]], "teacher": [[0]] }
 */
export function alignByBytes(
  studentOffsets: readonly (readonly number[])[],
  teacherOffsets: readonly (readonly number[])[],
): ByteAlignment {
  const out: ByteAlignment = { student: [], teacher: [] };
  let [i, j] = [0, 0];
  let [s, t]: [number[], number[]] = [[], []];
  const close = (): void => {
    out.student.push(s);
    out.teacher.push(t);
    [s, t] = [[], []];
  };
  while (i < studentOffsets.length && j < teacherOffsets.length) {
    const [endS, endT] = [studentOffsets[i][1], teacherOffsets[j][1]];
    if (endS <= endT) s.push(i++);
    if (endT <= endS) t.push(j++);
    if (endS === endT) close();
  }
  while (i < studentOffsets.length) s.push(i++);
  while (j < teacherOffsets.length) t.push(j++);
  if (s.length > 0 || t.length > 0) close();
  return out;
}

/**
 * One probability row per group of tokens. `observed`: the group's first row times the probabilities of its later
 * actual tokens; `bayesian`: its last row times those of its earlier ones. Rows are not renormalised.
 *
 * @param p `[seq, vocab]` probabilities; row i belongs to token i
 * @param tokenIds `[seq]` int32, the actual tokens
 * @param groups positions of each group, ascending (host arrays)
 * @returns `[groups, vocab]`
 * @source TRL's code, GOLD trainer (extended universal logit distillation), after Patiño et al. 2025
 * @example
 * mergeGroups(constant([[0.5, 0.5], [0.2, 0.8]]), constant([0, 1], 'int32'), [[0, 1]]) // => [[0.4, 0.4]]
 */
export function mergeGroups(
  p: Tensor,
  tokenIds: Tensor,
  groups: readonly (readonly number[])[],
  { strategy = 'observed' }: { strategy?: 'observed' | 'bayesian' } = {},
): Tensor {
  if (groups.some((g) => g.length === 0))
    throw new DecantError('data', 'a group of tokens is empty', { fix: 'drop the group on both sides' });
  const anchor = groups.map((g) => (strategy === 'observed' ? g[0] : g[g.length - 1]));
  const others = groups.flatMap((g, k) =>
    (strategy === 'observed' ? g.slice(1) : g.slice(0, -1)).map((position) => ({ position, k })),
  );
  const rows = gather(p, indices(anchor), 0);
  if (others.length === 0) return rows;
  const actual = squeeze(gatherElements(p, expandDims(tokenIds, 1), 1), 1); // [seq]
  const logs = logMass(gather(actual, indices(others.map((o) => o.position)), 0));
  const factor = exp(segmentSum(logs, indices(others.map((o) => o.k)), groups.length));
  return mul(rows, expandDims(factor, 1));
}

const indices = (values: readonly number[]): Tensor => constant(array(values, 'int32', [values.length]));

/**
 * Log-likelihood of aligned spans: Σ of token log-probabilities per span. Both tokenizers' sums speak of the same text.
 *
 * @param tokenLogp `[tokens]` log-probability of each actual token
 * @param spanOf `[tokens]` int32, the span of each token (spans in order, from 0)
 * @param spans number of spans
 * @returns `[spans]`
 * @source the chain rule of probability, textbook, unnumbered
 * @example
 * spanLogLikelihood(constant([-1, -2, -3]), constant([0, 0, 1], 'int32'), 2) // => [-3, -3]
 */
export const spanLogLikelihood = (tokenLogp: Tensor, spanOf: Tensor, spans: number): Tensor =>
  segmentSum(tokenLogp, spanOf, spans);

/**
 * Aligned-span likelihood: KL between the teacher's and the student's probability that the text of a span follows,
 * against anything else: P log(P/Q) + (1 - P) log((1 - P)/(1 - Q)). Works for any two tokenizers; a lower bound of the
 * KL over whole continuations (data processing inequality).
 *
 * @param studentSpanLogp `[...]` log Q from {@link spanLogLikelihood}, ≤ 0
 * @param teacherSpanLogp `[...]` log P
 * @returns `[...]` nats; +∞ where Q is 0 or 1 and P is not
 * @source Minixhofer et al. 2025 (2503.20083), definition of binarised approximate likelihood matching
 * @example
 * alignedSpanKl(constant([-0.693147]), constant([-0.693147])) // => [0]
 */
export function alignedSpanKl(studentSpanLogp: Tensor, teacherSpanLogp: Tensor): Tensor {
  const logp = stopGradient(teacherSpanLogp);
  const p = exp(logp);
  const rest = log1mExp(logp);
  return add(weigh(p, logp, studentSpanLogp), weigh(exp(rest), rest, log1mExp(studentSpanLogp)));
}

/**
 * Squared difference of span log-likelihoods.
 *
 * @param studentSpanLogp `[...]`
 * @param teacherSpanLogp `[...]`
 * @returns `[...]`
 * @source none: the squared counterpart of {@link alignedSpanKl}
 * @example
 * alignedSpanMse(constant([-3]), constant([-1])) // => [4]
 */
export const alignedSpanMse = (studentSpanLogp: Tensor, teacherSpanLogp: Tensor): Tensor => {
  const d = sub(studentSpanLogp, stopGradient(teacherSpanLogp));
  return mul(d, d);
};
