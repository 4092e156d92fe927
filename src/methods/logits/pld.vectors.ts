import { mean } from '../../graph/index.ts';
import type { Vector } from '../../losses/vectors/index.ts';
import { listwiseDistillation } from './pld.ts';

type Weights = 'teacher' | 'uniform';

const listwise = (name: string, weights: Weights): Vector => ({
  kind: 'differentiable',
  method: 'pld',
  function: name,
  inputs: { labels: 'int' },
  run: (x, c) => {
    c.choice('variant', ['pld', 'uniform'], 'pld');
    const { loss, ranking, alpha } = listwiseDistillation(x.student_logits, x.teacher_logits, x.labels, {
      temperature: c.number('tau_T', 1),
      weights,
    });
    return { loss: mean(loss), permutation: ranking, alpha };
  },
});

export const pldVectors: readonly Vector[] = [
  listwise(
    'L_PLD = mean_n sum_k alpha_k*(logsumexp_{l>=k} s_{pi_l} - s_{pi_k}); permutation = pi* (true label first); alpha = weights in that order',
    'teacher',
  ),
  listwise('uniform-weight variant alpha_k = 1/C (ListMLE/C)', 'uniform'),
];
