import { mean } from '../../graph/index.ts';
import type { Vector } from '../../losses/vectors/index.ts';
import { listwiseDistillation } from './pld.ts';

const names = [
  'L_PLD = mean_n sum_k alpha_k*(logsumexp_{l>=k} s_{pi_l} - s_{pi_k}); permutation = pi* (true label first); alpha = weights in that order',
  'uniform-weight variant alpha_k = 1/C (ListMLE/C)',
];

export const pldVectors: readonly Vector[] = names.map((name) => ({
  kind: 'differentiable',
  method: 'pld',
  function: name,
  inputs: { labels: 'int' },
  run: (x, c) => {
    const { loss, ranking, alpha } = listwiseDistillation(x.student_logits, x.teacher_logits, x.labels, {
      temperature: c.number('tau_T', 1),
      weights: c.text('variant', 'pld') === 'uniform' ? 'uniform' : 'teacher',
    });
    return { loss: mean(loss), permutation: ranking, alpha };
  },
}));
