import {
  add,
  mean,
  mul,
  reshape,
  sigmoid,
  slice,
  squeeze,
  sub,
  sum,
  type Tensor,
} from '../../graph/index.ts';
import {
  anchoredCrossEntropy,
  anchoredLogp,
  anchoredOptimum,
  softLabelDpo,
  standardizedScores,
} from '../../losses/anchored.ts';
import { logMass } from '../../losses/numerics.ts';
import { maskedMean } from '../../losses/reduce.ts';
import type { CaseReader, Vector } from '../../losses/vectors/index.ts';
import { adpo } from './adpo.ts';
import { type AdpoInput, type AdpoOptions, adpoTargets, adpoTau, adpoTerms } from './adpo-terms.ts';

const METHOD = 'adpo';
const options = (given: Record<string, unknown>): AdpoOptions => adpo.config.parse(given);

/** `[prompts · responses, …]` as `[prompts, responses, …]`. */
const grouped = (x: Tensor, responses: number): Tensor => {
  const [rows, ...rest] = x.shape as number[];
  return reshape(x, [rows / responses, responses, ...rest]);
};

function online(x: Record<string, Tensor>, c: CaseReader) {
  const group = c.number('num_generations');
  const mask = grouped(x.mask, group);
  const tokens = {
    logp: mul(grouped(x.log_prob, group), mask),
    reference: mul(grouped(x.old_log_prob, group), mask),
  };
  const scores = grouped(x.sequence_rewards, group);
  const input: AdpoInput = {
    logp: sum(tokens.logp, -1),
    length: sum(mask, -1),
    reference: sum(tokens.reference, -1),
    scores,
    present: add(mul(scores, 0), 1),
    tokens,
  };
  const o = options({
    tau: c.number('tau'),
    beta_r: c.number('beta_reward'),
    advantages: true,
    adaptive: c.flag('use_adaptive_tau', false),
    adaptive_entropy: c.number('adaptive_tau_alpha', 0.5),
    adaptive_reward: c.number('adaptive_tau_beta', 0.5),
    adaptive_min: c.number('adaptive_tau_min', 0.05),
    adaptive_max: c.number('adaptive_tau_max', 5),
    anchor_kl: c.number('beta_anchor_kl', 0),
  });
  const vocabulary = c.number('vocab_size', 2);
  const terms = adpoTerms(input, o, vocabulary);
  const loss = mean(terms.adpo.value);
  const tau = adpoTau(input, o, vocabulary);
  return {
    advantages: reshape(standardizedScores(scores), [-1]),
    loss: terms.kl ? add(loss, mul(maskedMean(terms.kl.value, mask), terms.kl.weight as number)) : loss,
    mean_tau: typeof tau === 'number' ? tau : mean(tau),
  };
}

function offline(x: Record<string, Tensor>, c: CaseReader) {
  const kinds = { reward_softmax: 'scores', teacher: 'teacher', onehot: 'label' } as const;
  const tau = c.number('tau');
  const o = options({
    target: kinds[c.choice('target', ['reward_softmax', 'teacher', 'onehot'])],
    tau,
    beta_r: c.number('beta_r', 0.5),
    temperature: c.number('T', 1),
  });
  const q = adpoTargets({ scores: x.scores, teacher: x.scores, present: add(mul(x.scores, 0), 1) }, o);
  const list = anchoredLogp(x.logps, x.anchor_logps, { tau });
  return {
    q,
    loss: mean(anchoredCrossEntropy(x.logps, x.anchor_logps, q, { tau })),
    kl: sum(mul(q, sub(logMass(q), list)), -1),
    optimum: anchoredOptimum(x.anchor_logps, q, { tau }),
  };
}

function pairwise(x: Record<string, Tensor>, c: CaseReader) {
  const of = (t: Tensor, place: number): Tensor =>
    squeeze(slice(t, { axes: [1], starts: [place], ends: [place + 1] }), 1);
  const ratio = sub(x.logps, x.anchor_logps);
  const q = sigmoid(mul(sub(of(x.rewards, 0), of(x.rewards, 1)), 1 / c.number('beta_r')));
  return { q, loss: mean(softLabelDpo(of(ratio, 0), of(ratio, 1), q, { tau: c.number('tau') })) };
}

const differentiable = (
  name: string,
  run: (x: Record<string, Tensor>, c: CaseReader) => Record<string, Tensor | number>,
): Vector => ({
  kind: 'differentiable',
  method: METHOD,
  function: name,
  run,
});

export const adpoVectors: readonly Vector[] = [
  differentiable(
    'online ADPO with on-policy anchor: group advantages (mean/std, unbiased std) -> re-standardised -> q = softmax(/beta_reward); u = (sum_t logp - sum_t old)/tau ; CE(q, softmax(u)) averaged over prompts',
    online,
  ),
  differentiable(
    'offline/listwise ADPO: mean_b -sum_i q_i*log softmax((l-l_ref)/tau)_i ; kl = KL(q||p~) ; optimum = softmax(l_ref)*q^tau renormalised over the list',
    offline,
  ),
  differentiable(
    'pairwise anchored Soft-DPO: q = sigmoid((R1-R2)/beta_r); -q*log sigmoid(d) - (1-q)*log sigmoid(-d), d = ((l1-lr1)-(l2-lr2))/tau, mean',
    pairwise,
  ),
];
