import { add, concat, flip, mean, mul, slice, sum, type Tensor, where } from '../graph/index.ts';
import { type FDivergence, logRatios, type PairLogps } from './preference.ts';
import { PREFERENCE_LOSSES, type PreferenceLoss, preferenceLoss } from './preference-family.ts';
import { alphaPo, cpo, orpo, simpo } from './reference-free.ts';
import { sequenceLogp, wpoWeight } from './sequence.ts';
import { apoZeroUnpaired, bco, bcoShift, kto, ktoReferencePoint } from './unpaired.ts';
import type { CaseReader } from './vectors/reader.ts';
import type { Vector } from './vectors/types.ts';

const METHOD = 'alignment-insights';
type Inputs = Record<string, Tensor>;

const pairs = (x: Inputs): PairLogps => ({
  chosen: x.chosen_logps,
  rejected: x.rejected_logps,
  refChosen: x.ref_chosen_logps,
  refRejected: x.ref_rejected_logps,
});

/** What a function's name says of the switches, should a case leave them out. */
interface Pairwise {
  loss?: PreferenceLoss;
  fDivergence?: FDivergence;
  delta?: Tensor;
}

/** Every switch of TRL's pairwise trainer is read, whichever of them a case sets. */
function pairwise(
  x: Inputs,
  c: CaseReader,
  { loss = 'sigmoid', fDivergence = 'reverse_kl', delta }: Pairwise = {},
): Tensor {
  const lengths = x.chosen_lengths && { chosen: x.chosen_lengths, rejected: x.rejected_lengths };
  return preferenceLoss(c.choice('loss_type', PREFERENCE_LOSSES, loss), pairs(x), {
    beta: c.optional('beta'),
    labelSmoothing: c.optional('label_smoothing'),
    fDivergence: c.choice('f_divergence_type', F_DIVERGENCES, fDivergence),
    alpha: c.optional('f_alpha_divergence_coef'),
    discopopTau: c.optional('discopop_tau'),
    delta,
    lengths,
  });
}

const perExample = (name: string, run: (x: Inputs, c: CaseReader) => Tensor): Vector => ({
  kind: 'differentiable',
  method: METHOD,
  function: name,
  run: (x, c) => {
    const losses = run(x, c);
    return { per_example: losses, loss: mean(losses) };
  },
});

function simpoOptions(c: CaseReader) {
  c.choice('loss_type', ['simpo'], 'simpo');
  return {
    beta: c.optional('beta'),
    gamma: c.optional('simpo_gamma'),
    labelSmoothing: c.optional('label_smoothing'),
  };
}

const LENGTH_NORMALISED: readonly PreferenceLoss[] = ['ipo', 'sigmoid_norm'];
const F_DIVERGENCES: readonly FDivergence[] = [
  'reverse_kl',
  'forward_kl',
  'js_divergence',
  'alpha_divergence',
];

export const preferenceVectors: readonly Vector[] = [
  ...PREFERENCE_LOSSES.map((loss) =>
    perExample(
      LENGTH_NORMALISED.includes(loss)
        ? `current TRL loss_type=${loss}, log-ratios divided by completion lengths`
        : `current TRL DPOTrainer loss_type=${loss}; loss = mean over pairs`,
      (x, c) => pairwise(x, c, { loss }),
    ),
  ),
  ...F_DIVERGENCES.map((fDivergence) =>
    perExample(`sigmoid loss on f-divergence scores (${fDivergence})`, (x, c) =>
      pairwise(x, c, { fDivergence }),
    ),
  ),
  perExample('classic TRL sigmoid loss with label smoothing (conservative DPO)', pairwise),
  perExample(
    'classic TRL bco_pair: delta = running mean of batch-mean rewards, here after its first update (delta = mean of all 2B rewards, detached)',
    (x, c) => {
      c.choice('variant', ['classic'], 'classic');
      const r = logRatios(pairs(x));
      const rewards = mul(concat([r.chosen, r.rejected]), c.number('beta', 0.1));
      return pairwise(x, c, {
        loss: 'bco_pair',
        delta: bcoShift(rewards, undefined, { count: 'batch' }).mean,
      });
    },
  ),
  perExample(
    'CPO preference term (reference-free, summed log-probs) ; loss = mean(per_example); the trainer adds cpo_alpha * NLL(chosen)',
    (x, c) => {
      c.choice('loss_type', ['sigmoid'], 'sigmoid');
      return cpo(x.chosen_logps, x.rejected_logps, {
        beta: c.optional('beta'),
        labelSmoothing: c.optional('label_smoothing'),
      });
    },
  ),
  perExample('SimPO: inputs are length-averaged log-probs; margin gamma is divided by beta inside', (x, c) =>
    simpo(x.chosen_avg_logps, x.rejected_avg_logps, simpoOptions(c)),
  ),
  perExample('AlphaPO: SimPO with reward (1 - p^-alpha)/alpha, p = exp(avg log-prob)', (x, c) =>
    alphaPo(x.chosen_avg_logps, x.rejected_avg_logps, { ...simpoOptions(c), alpha: c.optional('alpha') }),
  ),
  perExample(
    'ORPO odds-ratio term: loss = mean(-beta * log sigmoid(log_odds)); the trainer adds NLL(chosen)',
    (x, c) => orpo(x.chosen_avg_logps, x.rejected_avg_logps, { beta: c.optional('beta') }),
  ),
  unpaired('kto', (x, c) => {
    const point = ktoReferencePoint(logRatiosOf(x.kl_logps, x.ref_kl_logps));
    const options = weighted(c);
    return {
      good: kto(ratio(x, 'desirable'), true, point, options('desirable_weight')),
      bad: kto(ratio(x, 'undesirable'), false, point, options('undesirable_weight')),
      extra: { kl: point },
    };
  }),
  unpaired('apo_zero_unpaired', (x, c) => {
    const options = weighted(c);
    return {
      good: apoZeroUnpaired(ratio(x, 'desirable'), true, options('desirable_weight')),
      bad: apoZeroUnpaired(ratio(x, 'undesirable'), false, options('undesirable_weight')),
      extra: {},
    };
  }),
  {
    kind: 'differentiable',
    method: METHOD,
    function:
      'BCOTrainer loss, no density-ratio weighting, first batch: delta = mean of all rewards (detached)',
    run: (x, c) => {
      const beta = c.number('beta', 0.1);
      const [good, bad] = [ratio(x, 'desirable'), ratio(x, 'undesirable')];
      const delta = bcoShift(mul(concat([good, bad]), beta)).mean;
      const losses = concat([bco(good, true, delta, { beta }), bco(bad, false, delta, { beta })]);
      return { loss: mean(losses), per_example: losses, delta };
    },
  },
  {
    kind: 'differentiable',
    method: METHOD,
    function:
      'sum and mean token log-probs of a completion from next-token logits; label -100 masked; logits[t] predicts labels[t+1]; scalar = sum_i w_i*sum_i + w_{1-i}*mean_i',
    inputs: { labels: 'int' },
    run: (x) => {
      const s = sequenceLogp(x.logits, x.labels);
      return {
        sum_logps: s.sum,
        mean_logps: s.mean,
        loss: add(sum(mul(x.w, s.sum)), sum(mul(flip(x.w, 0), s.mean))),
      };
    },
  },
  perExampleWpo(),
];

function perExampleWpo(): Vector {
  return {
    kind: 'differentiable',
    method: METHOD,
    function:
      'WPO-weighted DPO from logits: rows = [chosen_1, chosen_2, rejected_1, rejected_2]; weights carry no gradient',
    inputs: { ids: 'int', completion_mask: 'bool' },
    run: (x, c) => {
      const labels = where(x.completion_mask, x.ids, -100);
      const policy = sequenceLogp(x.logits, labels).sum;
      const weight = wpoWeight(x.logits, labels);
      const half = (x.ids.shape[0] as number) / 2;
      const top = (t: Tensor): Tensor => slice(t, { starts: [0], ends: [half] });
      const bottom = (t: Tensor): Tensor => slice(t, { starts: [half], ends: [undefined] });
      const logps = {
        chosen: top(policy),
        rejected: bottom(policy),
        refChosen: top(x.ref_logps),
        refRejected: bottom(x.ref_logps),
      };
      const loss = preferenceLoss('sigmoid', logps, { beta: c.optional('beta') });
      const losses = mul(loss, mul(top(weight), bottom(weight)));
      return { loss: mean(losses), per_example: losses };
    },
  };
}

/** β and the weight of one kind of completion. */
const weighted = (c: CaseReader) => (key: string) => ({ beta: c.optional('beta'), weight: c.optional(key) });

const logRatiosOf = (policy: Tensor, reference: Tensor): Tensor =>
  logRatios({ chosen: policy, rejected: policy, refChosen: reference, refRejected: reference }).chosen;
const ratio = (x: Inputs, kind: 'desirable' | 'undesirable'): Tensor =>
  logRatiosOf(x[`${kind}_logps`], x[`ref_${kind}_logps`]);

function unpaired(
  loss: string,
  run: (x: Inputs, c: CaseReader) => { good: Tensor; bad: Tensor; extra: Record<string, Tensor> },
): Vector {
  return {
    kind: 'differentiable',
    method: METHOD,
    function: `current TRL KTOTrainer loss_type=${loss}; per_example = desirable examples first, then undesirable; loss = mean over all`,
    run: (x, c) => {
      const { good, bad, extra } = run(x, c);
      const losses = concat([good, bad]);
      return { loss: mean(losses), per_example: losses, ...extra };
    },
  };
}
