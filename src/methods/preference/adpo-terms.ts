import { z } from 'zod';
import { clip, div, expandDims, maximum, stopGradient, sub, Tensor } from '../../graph/index.ts';
import {
  adaptiveTemperature,
  anchoredCrossEntropy,
  hardTargets,
  kernelRanks,
  softTargets,
  standardizedScores,
} from '../../losses/anchored.ts';
import { k3Kl } from '../../losses/policy.ts';
import type { Term } from '../../train/terms.ts';
import { DecantError } from '../../util/errors.ts';
import type { Responses } from './responses.ts';

/** Options of the method. */
export const adpoConfig = z.strictObject({
  target: z
    .enum(['scores', 'label', 'ranks', 'teacher'])
    .default('scores')
    .describe(
      "q: softmax of the scores, one-hot on the best, softmax of kernel-smoothed ranks (for heavy-tailed scores), or the teacher's probabilities of the responses",
    ),
  beta_r: z.number().positive().default(0.5).describe('temperature of scores and ranks; 0.5 as in the paper'),
  label_smoothing: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .describe('ε of target label: mass that noisy labels leave to the others'),
  temperature: z.number().positive().default(1).describe('T of target teacher'),
  anchor: z
    .enum(['reference', 'uniform', 'policy'])
    .default('reference')
    .describe("the recipe's reference, none, or the policy itself as it stands at the step (on-policy)"),
  tau: z
    .number()
    .positive()
    .default(0.8)
    .describe("τ, which is 1/β of DPO; 0.8 as in the authors' code, whose prompts have 8 responses"),
  per_token: z
    .boolean()
    .default(false)
    .describe(
      "divide log-ratios by the responses' lengths, clip them at ±5 and their quotient with τ at ±10, as later releases of the authors do",
    ),
  advantages: z
    .boolean()
    .default(false)
    .describe('standardize scores within each list first, as the online form does'),
  adaptive: z
    .boolean()
    .default(false)
    .describe('τ per prompt, larger where the policy is unsure or its responses are poor'),
  adaptive_entropy: z.number().min(0).default(0.5).describe("a; 0.5 in the authors' code, 1 in the paper"),
  adaptive_reward: z.number().min(0).default(0.5).describe('b'),
  adaptive_min: z
    .number()
    .positive()
    .default(0.05)
    .describe("smallest τ; 0.05 in the authors' code, 0.1 in the paper"),
  adaptive_max: z.number().positive().default(5).describe('largest τ'),
  anchor_kl: z.number().min(0).default(0).describe('weight of the KL estimate to the reference per token'),
});
export type AdpoOptions = z.infer<typeof adpoConfig>;

/** What ADPO reads of a batch; `tokens` for a KL per token. */
export type AdpoInput = Pick<
  Responses,
  'logp' | 'length' | 'reference' | 'teacher' | 'scores' | 'present' | 'tokens'
>;

/** q `[batch, responses]`. */
export function adpoTargets(
  { scores, present, teacher }: Pick<AdpoInput, 'scores' | 'present' | 'teacher'>,
  o: AdpoOptions,
): Tensor {
  if (o.target === 'teacher') {
    if (teacher) return softTargets(teacher, { temperature: o.temperature, present });
    throw new DecantError('recipe', 'the target is the teacher, and the recipe has none', {
      at: 'method.options.target',
      seen: o.target,
      allowed: 'scores, label, ranks',
      fix: 'add a teacher section',
    });
  }
  if (o.target === 'label') return hardTargets(scores, { labelSmoothing: o.label_smoothing, present });
  if (o.target === 'ranks')
    return softTargets(kernelRanks(scores, { present }), { temperature: o.beta_r, present });
  const raw = o.advantages ? standardizedScores(scores, { present }) : scores;
  return softTargets(raw, { temperature: o.beta_r, present });
}

/** τ: one number, or one per prompt `[batch]`. */
export const adpoTau = (
  { logp, length, scores, present }: AdpoInput,
  o: AdpoOptions,
  vocabulary: number,
): number | Tensor =>
  o.adaptive
    ? adaptiveTemperature(div(logp, maximum(length, 1)), scores, vocabulary, {
        base: o.tau,
        entropy: o.adaptive_entropy,
        reward: o.adaptive_reward,
        min: o.adaptive_min,
        max: o.adaptive_max,
        present,
      })
    : o.tau;

/**
 * Σ over the batch of -Σ_i q_i log softmax((log π - log π_anchor)/τ)_i, and the KL to the reference per token.
 *
 * @param vocabulary tokens of the model, for the adaptive τ
 */
export function adpoTerms(r: AdpoInput, o: AdpoOptions, vocabulary: number): { adpo: Term; kl?: Term } {
  const tau = adpoTau(r, o, vocabulary);
  const anchor = o.anchor === 'uniform' ? undefined : o.anchor === 'policy' ? r.logp : r.reference;
  const q = adpoTargets(r, o);
  const { present } = r;
  let value: Tensor;
  if (o.per_token) {
    // already relative to the anchor, so the list has none of its own
    const gap = anchor ? sub(r.logp, stopGradient(anchor)) : r.logp;
    const bounded = clip(div(gap, maximum(r.length, 1)), -5, 5);
    const u = clip(div(bounded, tau instanceof Tensor ? expandDims(tau, 1) : tau), -10, 10);
    value = anchoredCrossEntropy(u, undefined, q, { present });
  } else value = anchoredCrossEntropy(r.logp, anchor, q, { tau, present });
  if (o.anchor_kl === 0) return { adpo: { value } };
  const kl = k3Kl(r.tokens.logp, r.tokens.reference);
  return { adpo: { value }, kl: { value: kl, over: 'tokens', weight: o.anchor_kl } };
}
