import { cast, logSoftmax, mul, stack, sub, sum, type Tensor, where } from '../../graph/index.ts';
import { softTargets } from '../../losses/anchored.ts';
import { hintonKl } from '../../losses/classification.ts';
import { dpo as dpoLoss } from '../../losses/preference.ts';
import type { Identity } from '../method.ts';
import { type AdpoInput, type AdpoOptions, adpoConfig, adpoTerms } from './adpo-terms.ts';
import { bestAndWorst, pickResponse, responsesOf } from './responses.ts';

/** The loss alone, for the identities. */
const value = (r: AdpoInput, o: Partial<AdpoOptions>): Tensor =>
  adpoTerms(r, adpoConfig.parse(o), 1).adpo.value;

/** The policy normalized over the list. */
const listLogp = (logp: Tensor, { present }: AdpoInput): Tensor =>
  logSoftmax(where(cast(present, 'bool'), logp, Number.NEGATIVE_INFINITY));

/** What ADPO is for particular targets, anchors and temperatures. */
export const adpoIdentities: readonly Identity[] = [
  {
    name: 'two responses, hard label, τ = 1/β: DPO',
    check(input) {
      const r = responsesOf(input);
      const { best, worst } = bestAndWorst(r);
      const pair = (x: Tensor): Tensor => stack([pickResponse(x, best), pickResponse(x, worst)], 1);
      const two = {
        ...r,
        logp: pair(r.logp),
        reference: pair(r.reference),
        scores: pair(r.scores),
        length: pair(r.length),
        present: pair(r.present),
      };
      const ratio = sub(r.logp, r.reference);
      return {
        got: value(two, { target: 'label', tau: 10 }),
        want: dpoLoss(
          { chosen: pickResponse(ratio, best), rejected: pickResponse(ratio, worst) },
          { beta: 0.1 },
        ),
      };
    },
  },
  {
    name: 'one-hot target, no anchor, τ = 1: supervised training on the list',
    check(input) {
      const r = responsesOf(input);
      return {
        got: value(r, { target: 'label', anchor: 'uniform', tau: 1 }),
        want: mul(pickResponse(listLogp(r.logp, r), bestAndWorst(r).best), -1),
      };
    },
  },
  {
    name: 'teacher target, no anchor, τ = T: distillation (gradient, times T²)',
    of: 'gradient',
    check(input) {
      const r = responsesOf(input);
      const shown = (x: Tensor): Tensor => where(cast(r.present, 'bool'), x, -1e4);
      return {
        got: mul(value(r, { target: 'teacher', anchor: 'uniform', tau: 2, temperature: 2 }), 4),
        want: hintonKl(shown(r.logp), shown(r.teacher!), { temperature: 2 }),
      };
    },
  },
  {
    name: 'target exp(Q/α), no anchor, τ = 1: maximum-entropy policy',
    check(input) {
      const r = responsesOf(input);
      const q = softTargets(r.scores, { temperature: 0.3, present: r.present });
      const logp = where(cast(r.present, 'bool'), listLogp(r.logp, r), 0);
      return {
        got: value(r, { anchor: 'uniform', tau: 1, beta_r: 0.3 }),
        want: mul(sum(mul(q, logp), 1), -1),
      };
    },
  },
  {
    name: 'the teacher as anchor and uniform targets: at the teacher the gradient is 0',
    of: 'gradient',
    check(input) {
      const r = responsesOf(input);
      const at = { ...r, reference: r.logp, scores: mul(r.scores, 0) };
      return { got: value(at, { tau: 3 }), want: mul(sum(r.logp, 1), 0) };
    },
  },
  {
    name: 'a constant added to the log-ratios of a prompt changes nothing',
    check(input) {
      const r = responsesOf(input);
      return { got: value({ ...r, reference: sub(r.reference, 3) }, {}), want: value(r, {}) };
    },
  },
];
