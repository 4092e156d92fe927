import type { Tensor } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import {
  aot,
  aotUnpaired,
  apoDown,
  apoZero,
  bcoPair,
  discopop,
  dpo,
  exoPair,
  type FDivergence,
  fScores,
  hinge,
  ipo,
  type LogRatios,
  lengthNormalized,
  logRatios,
  ncaPair,
  type PairLogps,
  robustDpo,
  sppoHard,
} from './preference.ts';

/** Names of the pairwise losses, as TRL's `loss_type` has them. */
export const PREFERENCE_LOSSES = [
  'sigmoid',
  'robust',
  'hinge',
  'ipo',
  'exo_pair',
  'nca_pair',
  'bco_pair',
  'sppo_hard',
  'aot',
  'aot_unpaired',
  'apo_zero',
  'apo_down',
  'discopop',
  'sigmoid_norm',
] as const;
export type PreferenceLoss = (typeof PREFERENCE_LOSSES)[number];

export interface PreferenceOptions {
  /** β. Default 0.1. */
  beta?: number;
  /** ε; default 0, for `robust` 0.1, for `exo_pair` 1e-3. */
  labelSmoothing?: number;
  /** Scores in place of log-ratios. Default `reverse_kl`. */
  fDivergence?: FDivergence;
  /** α of the α-divergence. Default 0.5. */
  alpha?: number;
  /** τ of `discopop`. Default 0.05. */
  discopopTau?: number;
  /** δ of `bco_pair`. */
  delta?: Tensor;
  /** Completion lengths, which `ipo` and `sigmoid_norm` divide by. */
  lengths?: { chosen: Tensor; rejected: Tensor };
}

/**
 * A pairwise preference loss by name. `ipo` without lengths is the paper's unnormalised form; `sigmoid_norm` needs them.
 *
 * @param loss its name
 * @param logps log-probabilities of both completions under policy and reference, `[pairs]` each
 * @returns `[pairs]`
 * @source none: the functions of `preference.ts` under the names of TRL's DPO trainer
 * @example
 * preferenceLoss('sigmoid', { chosen: constant([0]), rejected: constant([0]) }) // => [0.693147]
 */
export function preferenceLoss(
  loss: PreferenceLoss,
  logps: PairLogps,
  options: PreferenceOptions = {},
): Tensor {
  const { beta = 0.1, labelSmoothing, fDivergence = 'reverse_kl', alpha, lengths, delta } = options;
  const ratios = (): LogRatios => fScores(logRatios(logps), fDivergence, { alpha });
  const perToken = (): LogRatios => {
    if (!lengths)
      throw new DecantError('usage', `${loss} needs the lengths of the completions`, { fix: 'pass lengths' });
    return lengthNormalized(ratios(), lengths);
  };
  const smoothing = { beta, labelSmoothing };
  switch (loss) {
    case 'sigmoid':
      return dpo(ratios(), smoothing);
    case 'robust':
      return robustDpo(ratios(), smoothing);
    case 'hinge':
      return hinge(ratios(), { beta });
    case 'ipo':
      return ipo(lengths ? perToken() : ratios(), { beta });
    case 'exo_pair':
      return exoPair(ratios(), smoothing);
    case 'nca_pair':
      return ncaPair(ratios(), { beta });
    case 'bco_pair':
      return bcoPair(ratios(), { beta, delta });
    case 'sppo_hard':
      return sppoHard(ratios(), { beta });
    case 'aot':
      return aot(logps, smoothing);
    case 'aot_unpaired':
      return aotUnpaired(ratios(), smoothing);
    case 'apo_zero':
      return apoZero(ratios(), { beta });
    case 'apo_down':
      return apoDown(ratios(), { beta });
    case 'discopop':
      return discopop(ratios(), { beta, tau: options.discopopTau });
    case 'sigmoid_norm':
      return dpo(perToken(), smoothing);
  }
  throw new DecantError('usage', 'no such preference loss', {
    seen: loss,
    allowed: PREFERENCE_LOSSES.join(', '),
  });
}
