import { matmul, mean, sub } from '../../graph/index.ts';
import { hintonKl } from '../../losses/classification.ts';
import { hiddenStateMse, linearProjector } from '../../losses/features.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { logSumExp, normalize } from '../../losses/numerics.ts';
import { linearParams } from '../../nn/layers/linear.ts';
import { prefixed } from '../../nn/params.ts';
import { rival } from './rival.ts';

/**
 * Distillation at τ 4, and the squared difference between the teacher's embedding and a trained projection of the
 * student's hidden layer (FitNets, at the last layer).
 */
export const embeddingMatch = rival({
  slug: 'embedding-match',
  family: 'features',
  title: 'FitNets',
  year: 2015,
  link: 'arXiv 1412.6550',
  signals: [['logits', 'hidden']],
  setup: (_, { studentWidth, teacherWidth }) =>
    prefixed('projector', linearParams(studentWidth('hidden.0'), teacherWidth('embedding'))),
  loss: ({ student, teacher, tap, extra }) => {
    const at = extra.at('projector');
    const projected = linearProjector(tap('hidden.0'), {
      weight: at.param('weight'),
      bias: at.param('bias'),
    });
    return {
      kl: { value: hintonKl(student.logits, teacher.logits!, { temperature: 4 }) },
      embedding: { value: hiddenStateMse(projected, teacher.hidden!.embedding) },
    };
  },
});

/**
 * How Subclass Distillation trains its teacher: cross-entropy of the classes' sums, and a term that keeps the subclass
 * logits of a batch apart, mean_i log Σ_j exp(v_i · v_j) - 1 - log n with v centred and of length 1.
 */
export const subclassTeacher = rival({
  slug: 'subclass-teacher',
  family: 'features',
  title: 'Subclass Distillation',
  year: 2020,
  link: 'arXiv 2002.03936',
  signals: [],
  loss: ({ student, labels }) => {
    const g = student.subclasses;
    const v = normalize(sub(g, mean(g, -1, true)));
    const spread = logSumExp(matmul(v, v, { transB: true }), -1);
    return {
      ce: { value: crossEntropyWithLabels(student.logits, labels!), over: 'labelled' },
      apart: { value: sub(spread, 1 + Math.log(g.shape[0] as number)) },
    };
  },
});
