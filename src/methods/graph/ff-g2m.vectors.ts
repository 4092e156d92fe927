import { add, gather, mean, mul, reshape, slice, type Tensor } from '../../graph/index.ts';
import { hintonKl } from '../../losses/classification.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import type { Vector } from '../../losses/vectors/index.ts';
import { type Edges, highFrequency, lowFrequency } from './ff-g2m.ts';

/** An edge list `[2, edges]`: sources above, targets below. */
const edgesOf = (list: Tensor): Edges => {
  const row = (i: number): Tensor =>
    reshape(slice(list, { axes: [0], starts: [i], ends: [i + 1] }), [list.shape[1]]);
  return { source: row(0), target: row(1) };
};

export const ffG2mVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'ff-g2m',
    function:
      'L_CE, L_LFD, L_HFD and total = lambda*L_CE+(1-lambda)*(L_LFD+L_HFD); edges_with_loops used by L_LFD, edges_no_loops by L_HFD (row 0 = src i, row 1 = dst j, both directions listed); GLNN loss = node-wise KL',
    inputs: { labels: 'int', train_idx: 'int', edges_with_loops: 'int', edges_no_loops: 'int' },
    gradientsBy: 'student_logits',
    run: (x, c) => {
      const [z, h] = [x.student_logits, x.teacher_logits];
      const lambda = c.number('lambda');
      const ce = mean(crossEntropyWithLabels(gather(z, x.train_idx), gather(x.labels, x.train_idx)));
      const lfd = mean(lowFrequency(z, h, edgesOf(x.edges_with_loops)));
      const hfd = mean(highFrequency(z, h, edgesOf(x.edges_no_loops), c.number('tau')));
      return {
        ce,
        lfd,
        hfd,
        total: add(mul(ce, lambda), mul(add(lfd, hfd), 1 - lambda)),
        glnn_kl: mean(hintonKl(z, h, { temperature: 1 })),
      };
    },
  },
];
