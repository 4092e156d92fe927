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

const optional = (c: CaseReader, key: string): number | undefined =>
  c.param(key) === undefined ? undefined : c.number(key);

/** Every switch of TRL's pairwise trainer is read, whichever of them a case sets. */
function pairwise(x: Inputs, c: CaseReader, delta?: Tensor): Tensor {
  const lengths = x.chosen_lengths && { chosen: x.chosen_lengths, rejected: x.rejected_lengths };
  return preferenceLoss(c.text('loss_type') as PreferenceLoss, pairs(x), {
    beta: c.number('beta'),
    labelSmoothing: optional(c, 'label_smoothing'),
    fDivergence: c.text('f_divergence_type', 'reverse_kl') as FDivergence,
    alpha: optional(c, 'f_alpha_divergence_coef'),
    discopopTau: optional(c, 'discopop_tau'),
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
      pairwise,
    ),
  ),
  ...F_DIVERGENCES.map((f) => perExample(`sigmoid loss on f-divergence scores (${f})`, pairwise)),
  perExample('classic TRL sigmoid loss with label smoothing (conservative DPO)', pairwise),
  perExample(
    'classic TRL bco_pair: delta = running mean of batch-mean rewards, here after its first update (delta = mean of all 2B rewards, detached)',
    (x, c) => {
      c.text('variant');
      const r = logRatios(pairs(x));
      const rewards = mul(concat([r.chosen, r.rejected]), c.number('beta'));
      return pairwise(x, c, bcoShift(rewards, undefined, { count: 'batch' }).mean);
    },
  ),
  perExample(
    'CPO preference term (reference-free, summed log-probs) ; loss = mean(per_example); the trainer adds cpo_alpha * NLL(chosen)',
    (x, c) => {
      c.text('loss_type');
      return cpo(x.chosen_logps, x.rejected_logps, {
        beta: c.number('beta'),
        labelSmoothing: c.number('label_smoothing', 0),
      });
    },
  ),
  perExample(
    'SimPO: inputs are length-averaged log-probs; margin gamma is divided by beta inside',
    (x, c) => {
      c.text('loss_type');
      return simpo(x.chosen_avg_logps, x.rejected_avg_logps, {
        beta: c.number('beta'),
        gamma: c.number('simpo_gamma'),
        labelSmoothing: c.number('label_smoothing', 0),
      });
    },
  ),
  perExample('AlphaPO: SimPO with reward (1 - p^-alpha)/alpha, p = exp(avg log-prob)', (x, c) => {
    c.text('loss_type');
    return alphaPo(x.chosen_avg_logps, x.rejected_avg_logps, {
      beta: c.number('beta'),
      gamma: c.number('simpo_gamma'),
      alpha: c.number('alpha'),
      labelSmoothing: c.number('label_smoothing', 0),
    });
  }),
  perExample(
    'ORPO odds-ratio term: loss = mean(-beta * log sigmoid(log_odds)); the trainer adds NLL(chosen)',
    (x, c) => orpo(x.chosen_avg_logps, x.rejected_avg_logps, { beta: c.number('beta') }),
  ),
  unpaired('kto', (x, c) => {
    const point = ktoReferencePoint(logRatiosOf(x.kl_logps, x.ref_kl_logps));
    const options = (key: string) => ({ beta: c.number('beta'), weight: c.number(key, 1) });
    return {
      good: kto(ratio(x, 'desirable'), true, point, options('desirable_weight')),
      bad: kto(ratio(x, 'undesirable'), false, point, options('undesirable_weight')),
      extra: { kl: point },
    };
  }),
  unpaired('apo_zero_unpaired', (x, c) => {
    const options = (key: string) => ({ beta: c.number('beta'), weight: c.number(key, 1) });
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
      const beta = c.number('beta');
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
      const loss = preferenceLoss('sigmoid', logps, { beta: c.number('beta') });
      const losses = mul(loss, mul(top(weight), bottom(weight)));
      return { loss: mean(losses), per_example: losses };
    },
  };
}

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
