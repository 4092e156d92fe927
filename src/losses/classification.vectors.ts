import { add, mean, mul, type Tensor } from '../graph/index.ts';
import { decoupledKd, dist, hintonKd, normalizedKd, standardizedKd } from './classification.ts';
import type { CaseReader } from './vectors/reader.ts';
import type { Vector } from './vectors/types.ts';

/** A loss of both models' logits and the labels. */
const onLogits = (
  fn: string,
  loss: (student: Tensor, teacher: Tensor, labels: Tensor, c: CaseReader) => Tensor,
): Vector => ({
  kind: 'differentiable',
  method: 'kd-core',
  function: fn,
  inputs: { labels: 'int' },
  run: (x, c) => ({ loss: loss(x.student_logits, x.teacher_logits, x.labels, c) }),
});

export const classificationVectors: readonly Vector[] = [
  onLogits('alpha*CE + (1-alpha)*tau^2*KL(T_tau||S_tau), batch mean', (s, t, labels, c) =>
    mean(hintonKd(s, t, labels, { temperature: c.optional('tau'), alpha: c.optional('alpha') })),
  ),
  onLogits(
    'same as hinton_kd with z-scored logits (unbiased std over classes, + eps 1e-7) in the KL; CE on raw logits',
    (s, t, labels, c) =>
      mean(
        standardizedKd(s, t, labels, {
          temperature: c.optional('tau'),
          alpha: c.optional('alpha'),
          eps: c.optional('eps'),
        }),
      ),
  ),
  onLogits('alpha*TCKD + beta*NCKD (times tau^2, / batch)', (s, t, labels, c) =>
    mean(
      decoupledKd(s, t, labels, {
        temperature: c.optional('tau'),
        alpha: c.optional('alpha'),
        beta: c.optional('beta'),
      }),
    ),
  ),
  onLogits('-mean(p_T(y) log p_S(y)) - gamma*tau^2*mean sum_{c!=y} N_T(c) log N_S(c)', (s, t, labels, c) =>
    mean(normalizedKd(s, t, labels, { temperature: c.optional('tau'), gamma: c.optional('gamma') })),
  ),
  onLogits(
    'tau^2*(beta*inter + gamma*intra), Pearson correlations of softmax(z/tau) rows / columns',
    (s, t, _labels, c) => {
      const { inter, intra } = dist(s, t, { temperature: c.optional('tau') });
      return add(mul(mean(inter), c.number('beta', 2)), mul(mean(intra), c.number('gamma', 2)));
    },
  ),
];
