import { z } from 'zod';
import { add, cast, concat, div, greater, mul, neg, sub, type Tensor, where } from '../../graph/index.ts';
import type { FDivergence, PairLogps } from '../../losses/preference.ts';
import { PREFERENCE_LOSSES, type PreferenceLoss, preferenceLoss } from '../../losses/preference-family.ts';
import { alphaPo, cpo, orpo, simpo, slic } from '../../losses/reference-free.ts';
import { apoZeroUnpaired, bco, bcoShift, kto, ktoReferencePoint } from '../../losses/unpaired.ts';
import type { Term } from '../../train/terms.ts';
import { defineMethod, type LossInput } from '../method.ts';
import {
  bestAndWorst,
  needsSeveral,
  pickResponse,
  type Responses,
  responsesOf,
  watchedTerms,
} from './responses.ts';

const REFERENCE_FREE = ['cpo', 'slic', 'simpo', 'alphapo', 'orpo'] as const;
const UNPAIRED = ['kto', 'apo_zero_unpaired', 'bco'] as const;
const WITH_NLL: readonly string[] = ['cpo', 'orpo'];
const LONG_BETA: readonly string[] = ['simpo', 'alphapo'];
const WITH_SHIFT: readonly string[] = ['bco', 'bco_pair'];

const config = z.strictObject({
  loss: z
    .enum([...PREFERENCE_LOSSES, ...REFERENCE_FREE, ...UNPAIRED])
    .default('sigmoid')
    .describe(
      "member of the family, by TRL's names: sigmoid is DPO; cpo, slic, simpo, alphapo and orpo need no reference; kto, apo_zero_unpaired and bco take single responses",
    ),
  beta: z
    .number()
    .positive()
    .optional()
    .describe('β, pull towards the reference; 0.1 when absent, 2 for simpo and alphapo'),
  label_smoothing: z
    .number()
    .min(0)
    .max(0.5)
    .optional()
    .describe('ε, share of flipped labels; 0 when absent, 0.1 for robust, 1e-3 for exo_pair'),
  f_divergence: z
    .enum(['reverse_kl', 'forward_kl', 'js_divergence', 'alpha_divergence'])
    .default('reverse_kl')
    .describe('scores that replace log-ratios in pairwise losses (f-DPO)'),
  alpha: z.number().optional().describe('α of the α-divergence (0.5 when absent) and of alphapo (0.25)'),
  gamma: z.number().default(0.5).describe('γ, target margin of simpo and alphapo'),
  tau: z.number().positive().default(0.05).describe('τ of discopop'),
  nll: z
    .number()
    .min(0)
    .optional()
    .describe('weight of the cross-entropy of the better response; 1 for cpo and orpo (as TRL), else 0'),
  desirable: z.number().positive().default(1).describe('λ_D of kto, weight of good responses'),
  undesirable: z.number().positive().default(1).describe('λ_U of kto, weight of bad responses'),
});
type Options = z.infer<typeof config>;

interface Pair {
  readonly logps: Required<PairLogps>;
  readonly lengths: { readonly chosen: Tensor; readonly rejected: Tensor };
}

/** Best and worst response of each row. */
function pairOf(r: Responses): Pair {
  const { best, worst } = bestAndWorst(r);
  return {
    logps: {
      chosen: pickResponse(r.logp, best),
      rejected: pickResponse(r.logp, worst),
      refChosen: pickResponse(r.reference, best),
      refRejected: pickResponse(r.reference, worst),
    },
    lengths: { chosen: pickResponse(r.length, best), rejected: pickResponse(r.length, worst) },
  };
}

/** Losses of pairs; `[batch]`. */
function pairwise(r: Responses, o: Options, delta: Tensor | undefined): Tensor {
  needsSeveral(r, `the loss ${o.loss}`, `set method.options.loss to one of ${UNPAIRED.join(', ')}`);
  const { logps, lengths } = pairOf(r);
  const means = [div(logps.chosen, lengths.chosen), div(logps.rejected, lengths.rejected)] as const;
  const { beta = LONG_BETA.includes(o.loss) ? 2 : 0.1, label_smoothing: labelSmoothing, gamma } = o;
  switch (o.loss) {
    case 'cpo':
      return cpo(logps.chosen, logps.rejected, { beta, labelSmoothing });
    case 'slic':
      return slic(logps.chosen, logps.rejected, { beta });
    case 'simpo':
      return simpo(...means, { beta, gamma, labelSmoothing });
    case 'alphapo':
      return alphaPo(...means, { beta, gamma, labelSmoothing, alpha: o.alpha });
    case 'orpo':
      return orpo(...means, { beta });
    default:
      return preferenceLoss(o.loss as PreferenceLoss, logps, {
        beta,
        labelSmoothing,
        fDivergence: o.f_divergence as FDivergence,
        alpha: o.alpha,
        discopopTau: o.tau,
        delta,
        lengths,
      });
  }
}

/** Losses of single responses; of rows with several the best counts as good and the worst as bad. `[batch]` */
function unpaired(r: Responses, o: Options, delta: Tensor | undefined): Tensor {
  const { beta = 0.1, desirable, undesirable } = o;
  const reward = sub(r.logp, r.reference);
  const point = r.mismatched && ktoReferencePoint(sub(r.mismatched.logp, r.mismatched.reference));
  const loss = (ratio: Tensor, good: boolean): Tensor => {
    if (o.loss === 'kto') return kto(ratio, good, point!, { beta, weight: good ? desirable : undesirable });
    if (o.loss === 'bco') return bco(ratio, good, delta!, { beta });
    return apoZeroUnpaired(ratio, good, { beta });
  };
  if (r.logp.shape[1] === 1) {
    const only = (x: Tensor): Tensor => pickResponse(x, bestAndWorst(r).best);
    return where(greater(only(r.scores), 0.5), loss(only(reward), true), loss(only(reward), false));
  }
  const { best, worst } = bestAndWorst(r);
  return mul(add(loss(pickResponse(reward, best), true), loss(pickResponse(reward, worst), false)), 0.5);
}

/** Mean log-probability per token of the better response, where it is good; `[batch]`. */
function nllOf(r: Responses): Tensor {
  const { best } = bestAndWorst(r);
  const nll = neg(div(pickResponse(r.logp, best), pickResponse(r.length, best)));
  if (r.logp.shape[1] !== 1) return nll;
  return mul(nll, cast(greater(pickResponse(r.scores, best), 0.5), nll.dtype));
}

/** BCO's running mean of rewards, this batch included. */
function shift(input: LossInput, r: Responses, { beta = 0.1 }: Options): Tensor {
  const ratio = sub(r.logp, r.reference);
  const rewards =
    r.logp.shape[1] === 1
      ? pickResponse(ratio, bestAndWorst(r).best)
      : concat([pickResponse(ratio, bestAndWorst(r).best), pickResponse(ratio, bestAndWorst(r).worst)]);
  const state = { mean: input.scalars.delta, count: input.scalars.batches };
  return bcoShift(mul(rewards, beta), state, { count: 'batch' }).mean;
}

/** DPO and its relatives: preferences become a classification by log-ratios to a reference, without a reward model. */
export const dpo = defineMethod<Options>({
  slug: 'dpo',
  family: 'preference',
  meta: {
    title: 'Direct Preference Optimization: Your Language Model is Secretly a Reward Model',
    year: 2023,
    link: 'arXiv 2305.18290',
    summary:
      'raise the better response over the worse, relative to a reference; 22 losses of the family by name',
    deviations: [
      'names and forms of the losses follow TRL; ipo is divided by the lengths of the responses, as its authors advise',
      'lists are reduced to their best and worst response by score',
      'kto’s mismatched response is that of the next row of the data, always the same one, so that its reference is computed once; TRL rotates inside batches',
      'the shift of bco and bco_pair weighs every batch alike',
      'the cross-entropy of the better response is a mean over its tokens, then over rows; TRL’s is over all tokens of a batch',
    ],
  },
  needs: { tasks: ['prefer'], signals: [], labels: 'unused', sameVocabulary: false },
  config,
  responses: ({ loss }) => ({ mismatched: loss === 'kto' }),
  loss(input, o) {
    const r = responsesOf(input);
    const delta = WITH_SHIFT.includes(o.loss) ? shift(input, r, o) : undefined;
    const single = (UNPAIRED as readonly string[]).includes(o.loss);
    const { nll = WITH_NLL.includes(o.loss) ? 1 : 0 } = o;
    const terms: Record<string, Term> = { [o.loss]: { value: (single ? unpaired : pairwise)(r, o, delta) } };
    if (nll > 0) terms.nll = { value: nllOf(r), weight: nll };
    if (delta) terms.delta = { value: delta, weight: 0 };
    return { ...terms, ...watchedTerms(r) };
  },
  schedule: {
    init: ({ loss }): Record<string, number> => (WITH_SHIFT.includes(loss) ? { delta: 0, batches: 0 } : {}),
    next: (state, { terms }) =>
      'delta' in state ? { delta: terms.delta, batches: state.batches + 1 } : state,
  },
});
