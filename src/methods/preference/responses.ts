import {
  add,
  argmax,
  argmin,
  cast,
  expandDims,
  gatherElements,
  greater,
  mul,
  squeeze,
  stopGradient,
  sub,
  type Tensor,
  where,
} from '../../graph/index.ts';
import type { Terms } from '../../train/terms.ts';
import { DecantError } from '../../util/errors.ts';
import { column } from '../columns.ts';
import type { LossInput } from '../method.ts';

/** Responses to the prompts of a batch, side by side: what a preference loss is made of. */
export interface Responses {
  /** log π(y|x) summed over the response's tokens, `[batch, responses]` nats. */
  readonly logp: Tensor;
  /** Tokens of each response, `[batch, responses]`. */
  readonly length: Tensor;
  /** log π_ref(y|x), `[batch, responses]`; a constant. */
  readonly reference: Tensor;
  /** The teacher's log-probability of each response, `[batch, responses]`; absent without a teacher. */
  readonly teacher?: Tensor;
  /** How good each response is, `[batch, responses]`: given scores, 1 chosen and 0 rejected, or 1 good and 0 bad. */
  readonly scores: Tensor;
  /** 1 where there is a response: lists may differ in length. `[batch, responses]` */
  readonly present: Tensor;
  /** Log-probabilities of single tokens `[batch, responses, seq]`, 0 outside the responses. */
  readonly tokens: { readonly logp: Tensor; readonly reference: Tensor };
  /** Size of the vocabulary. */
  readonly vocabulary: number;
  /** Log-probability of the response to the next row's prompt and its reference, `[batch]`; where a method asks for it. */
  readonly mismatched?: { readonly logp: Tensor; readonly reference: Tensor };
}

/** The responses of a batch of task `prefer`; a policy that draws them itself puts out their `scores` and `reference`. */
export function responsesOf({ student, columns, teacher }: LossInput): Responses {
  const { logp, length } = student;
  const there = columns[column.present];
  const beside = student.mismatchedReference ?? columns[column.mismatchedReference];
  return {
    logp,
    length,
    reference: stopGradient(student.reference ?? columns[column.reference]),
    teacher: teacher.logp && stopGradient(teacher.logp),
    scores: stopGradient(student.scores ?? columns[column.scores]),
    present: there ?? add(mul(stopGradient(logp), 0), 1),
    tokens: {
      logp: student.tokenLogp,
      reference: student.referenceTokens ?? columns[column.referenceTokens],
    },
    vocabulary: Number(student.logits?.shape.at(-1) ?? 0),
    mismatched: beside && { logp: student.mismatched, reference: stopGradient(beside) },
  };
}

/** One response of each list, by its place `[batch]`. */
export const pickResponse = (x: Tensor, place: Tensor): Tensor =>
  squeeze(gatherElements(x, expandDims(place, 1), 1), 1);

/** Places of the best and the worst response by score, `[batch]` each; of equal ones the first and the last-named. */
export function bestAndWorst({ scores, present }: Responses): { best: Tensor; worst: Tensor } {
  const there = cast(present, 'bool');
  return {
    best: argmax(where(there, scores, Number.NEGATIVE_INFINITY), 1),
    worst: argmin(where(there, scores, Number.POSITIVE_INFINITY), 1),
  };
}

/** Errors: `data` where rows hold a single response and the loss compares several. */
export function needsSeveral(r: Responses, what: string, fix: string): void {
  if (r.logp.shape[1] !== 1) return;
  throw new DecantError('data', `${what} compares responses to one prompt, and the rows hold one each`, {
    at: 'data.train',
    allowed: 'pairs (prompt, chosen, rejected) or lists (prompt, responses, scores)',
    fix,
  });
}

/** What is watched beside a preference loss: how often, and by how many nats, best is above worst by log-ratios. */
export function watchedTerms(r: Responses): Terms {
  if (r.logp.shape[1] === 1) return {};
  const { best, worst } = bestAndWorst(r);
  const ratio = stopGradient(sub(r.logp, r.reference));
  const margin = sub(pickResponse(ratio, best), pickResponse(ratio, worst));
  return {
    accuracy: { value: cast(greater(margin, 0), margin.dtype), weight: 0 },
    margin: { value: margin, weight: 0 },
  };
}
