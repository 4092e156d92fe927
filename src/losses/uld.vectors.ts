import { add, mean, mul } from '../graph/index.ts';
import { alignByBytes, mergeGroups } from './alignment.ts';
import { crossEntropyWithLabels } from './labels.ts';
import { labelMask, maskedMean, shiftTokens } from './reduce.ts';
import { uld } from './uld.ts';
import type { Vector } from './vectors/types.ts';

export const uldVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'ULD: answer positions cut to the shorter length, both prob vectors sorted descending, zero padded, L1 summed / length, mean over batch; plus ce_weight*CE (shifted labels)',
    inputs: { student_labels: 'int', teacher_labels: 'int', student_ids: 'int', teacher_ids: 'int' },
    run: (x, c) => {
      const distance = uld(
        x.student_logits,
        x.teacher_logits,
        labelMask(x.student_labels),
        labelMask(x.teacher_labels),
        { strategy: c.choice('strategy', ['observed', 'bayesian'], 'observed') },
      );
      const { logits, labels } = shiftTokens(x.student_logits, x.student_labels);
      const ce = maskedMean(crossEntropyWithLabels(logits, labels), labelMask(labels));
      const weight = c.number('ce_weight', 0);
      return {
        loss: add(mul(mean(distance), c.number('uld_weight', 1)), mul(ce, weight)),
      };
    },
  },
  {
    kind: 'algorithmic',
    method: 'kd-core',
    function: 'groups of student / teacher token positions that end at the same byte',
    run: (c) => {
      const groups = alignByBytes(
        c.input<number[][]>('student_offsets'),
        c.input<number[][]>('teacher_offsets'),
      );
      return { student_groups: groups.student, teacher_groups: groups.teacher };
    },
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'merge probability rows inside each group (observed: first row times later actual-token probs; bayesian: last row times earlier actual-token probs)',
    inputs: { groups: 'host', token_ids: 'int' },
    run: (x, c) => ({
      merged: mergeGroups(x.probs, x.token_ids, c.input<number[][]>('groups'), {
        strategy: c.choice('strategy', ['observed', 'bayesian']),
      }),
    }),
  },
];
