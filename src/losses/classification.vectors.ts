import { add, mean, mul } from '../graph/index.ts';
import { decoupledKd, dist, hintonKd, normalizedKd, standardizedKd } from './classification.ts';
import type { Vector } from './vectors/types.ts';

const labels = { labels: 'int' } as const;

export const classificationVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'alpha*CE + (1-alpha)*tau^2*KL(T_tau||S_tau), batch mean',
    inputs: labels,
    run: (x, c) => ({
      loss: mean(
        hintonKd(x.student_logits, x.teacher_logits, x.labels, {
          temperature: c.number('tau'),
          alpha: c.number('alpha'),
        }),
      ),
    }),
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'same as hinton_kd with z-scored logits (unbiased std over classes, + eps 1e-7) in the KL; CE on raw logits',
    inputs: labels,
    run: (x, c) => ({
      loss: mean(
        standardizedKd(x.student_logits, x.teacher_logits, x.labels, {
          temperature: c.number('tau'),
          alpha: c.number('alpha'),
          eps: c.number('eps', 1e-7),
        }),
      ),
    }),
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'alpha*TCKD + beta*NCKD (times tau^2, / batch)',
    inputs: labels,
    run: (x, c) => ({
      loss: mean(
        decoupledKd(x.student_logits, x.teacher_logits, x.labels, {
          temperature: c.number('tau'),
          alpha: c.number('alpha'),
          beta: c.number('beta'),
        }),
      ),
    }),
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: '-mean(p_T(y) log p_S(y)) - gamma*tau^2*mean sum_{c!=y} N_T(c) log N_S(c)',
    inputs: labels,
    run: (x, c) => ({
      loss: mean(
        normalizedKd(x.student_logits, x.teacher_logits, x.labels, {
          temperature: c.number('tau'),
          gamma: c.number('gamma'),
        }),
      ),
    }),
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'tau^2*(beta*inter + gamma*intra), Pearson correlations of softmax(z/tau) rows / columns',
    inputs: labels,
    run: (x, c) => {
      const d = dist(x.student_logits, x.teacher_logits, { temperature: c.number('tau') });
      return {
        loss: add(mul(mean(d.inter), c.number('beta')), mul(mean(d.intra), c.number('gamma'))),
      };
    },
  },
];
