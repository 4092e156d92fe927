import { add, mean, mul } from '../graph/index.ts';
import { probabilisticTransfer, rkdAngle, rkdDistance, similarityPreserving } from './relations.ts';
import type { Vector } from './vectors/types.ts';

export const relationVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: '1*distance + 2*angle, smooth-L1 mean',
    run: (x, c) => ({
      loss: add(
        mul(mean(rkdDistance(x.student_feat, x.teacher_feat)), c.number('dist_factor', 1)),
        mul(mean(rkdAngle(x.student_feat, x.teacher_feat)), c.number('angle_factor', 2)),
      ),
    }),
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'mean over n*n of t_ij*log((t_ij+eps)/(s_ij+eps)), rows of (cos+1)/2 normalised to sum 1',
    run: (x, c) => ({
      loss: mean(probabilisticTransfer(x.student_feat, x.teacher_feat, { eps: c.optional('eps') })),
    }),
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: '||rownorm(F_t F_t^T)-rownorm(F_s F_s^T)||_F^2 / n^2, rownorm = row divided by its L1 norm',
    run: (x) => ({ loss: mean(similarityPreserving(x.student_feat, x.teacher_feat, { norm: 'l1' })) }),
  },
];
