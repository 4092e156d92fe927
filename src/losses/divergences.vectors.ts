import type { Tensor } from '../graph/index.ts';
import { adaptiveKl } from './adaptive.ts';
import {
  crossEntropy,
  generalizedJsd,
  jsDistance,
  reverseKl,
  skewedForwardKl,
  skewedReverseKl,
  symmetricKl,
  temperedLogp,
  totalVariation,
} from './divergences.ts';
import { labelMask, maskedMean } from './reduce.ts';
import type { CaseReader } from './vectors/reader.ts';
import type { Vector } from './vectors/types.ts';

/** A token-mean of a divergence between softmaxed logits, over positions whose label is not -100. */
const tokenMean = (
  fn: string,
  divergence: (q: Tensor, p: Tensor, mask: Tensor, c: CaseReader) => Tensor,
): Vector => ({
  kind: 'differentiable',
  method: 'kd-core',
  function: fn,
  inputs: { labels: 'int' },
  run: (x, c) => {
    const temperature = c.number('temperature', 1);
    const mask = labelMask(x.labels);
    const q = temperedLogp(x.student_logits, temperature);
    const p = temperedLogp(x.teacher_logits, temperature);
    return { loss: maskedMean(divergence(q, p, mask, c), mask) };
  },
});

export const divergenceVectors: readonly Vector[] = [
  tokenMean('masked token mean of cross-entropy -sum p log q (no teacher entropy term)', (q, p, mask) =>
    crossEntropy(q, p, { mask }),
  ),
  tokenMean('masked token mean of KL(q||p)', (q, p, mask) => reverseKl(q, p, { mask })),
  tokenMean('KL(q||p) summed over vocab, mean over unmasked tokens', (q, p, mask) =>
    reverseKl(q, p, { mask }),
  ),
  tokenMean('(1-lam)*forward + lam*reverse (forward without teacher entropy)', (q, p, mask, c) =>
    symmetricKl(q, p, { mask, lambda: c.optional('lam'), dropTeacherEntropy: true }),
  ),
  tokenMean('m=(1-lam)p+lam q; lam*KL(q||m)+(1-lam)*KL(p||m)', (q, p, mask, c) =>
    jsDistance(q, p, { mask, lambda: c.optional('lam') }),
  ),
  tokenMean('0.5*sum|p-q|', (q, p, mask) => totalVariation(q, p, { mask })),
  tokenMean('-sum p log(lam p+(1-lam) q)', (q, p, mask, c) =>
    skewedForwardKl(q, p, { mask, alpha: c.optional('lam'), dropTeacherEntropy: true }),
  ),
  tokenMean('KL(q || (1-lam) p + lam q)', (q, p, mask, c) =>
    skewedReverseKl(q, p, { mask, alpha: c.optional('lam') }),
  ),
  tokenMean(
    'generalized JSD(beta,T): beta=0 KL(p||q), beta=1 KL(q||p), else beta*KL(p||m)+(1-beta)*KL(q||m), m=beta p+(1-beta) q; sum over vocab, mean over unmasked tokens',
    (q, p, mask, c) => generalizedJsd(q, p, { mask, beta: c.optional('beta') }),
  ),
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'AKL: per token w_head*KL(p||q)+w_tail*KL(q||p), weights from |p-q| mass in the teacher head (descending cumulative prob <= mu, first always head), weights detached',
    inputs: { labels: 'int' },
    run: (x, c) => {
      const mask = labelMask(x.labels);
      const a = adaptiveKl(temperedLogp(x.student_logits), temperedLogp(x.teacher_logits), {
        mu: c.optional('mu'),
      });
      return {
        loss: maskedMean(a.loss, mask),
        head_weight: a.headWeight,
        tail_weight: a.tailWeight,
      };
    },
  },
];
