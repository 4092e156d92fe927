import { mul, type Tensor } from '../graph/index.ts';
import { maskedMean } from './reduce.ts';
import {
  type MissingMass,
  type SparseOptions,
  sparseHinge,
  sparseJsd,
  sparseKl,
  sparseLogisticRanking,
  sparseTotalVariation,
  type TopKTeacher,
} from './sparse.ts';
import type { CaseReader } from './vectors/reader.ts';
import type { Vector } from './vectors/types.ts';

const MISSING: Record<string, MissingMass> = { zero: 'zero', symmetric_uniform: 'tail' };
const ZERO = 'missing mass dropped and the k kept renormalised (at temperature T)';
const TAIL = 'missing mass kept as one tail bucket on both sides';

const inputs = { teacher_ids: 'int' } as const;
const teacherOf = (x: Record<string, Tensor>): TopKTeacher => ({
  ids: x.teacher_ids,
  logp: x.teacher_logprobs,
});

/** Sum over masked tokens × T² / number of masked tokens. */
const tokenMean = (
  name: string,
  loss: (student: Tensor, teacher: TopKTeacher, options: SparseOptions) => Tensor,
): Vector[] =>
  [ZERO, TAIL].map((missing) => ({
    kind: 'differentiable',
    method: 'kd-core',
    function: `sparse ${name}: top-k teacher logprobs; ${missing}; total = sum over masked tokens * T^2 / number of masked tokens`,
    inputs,
    run: (x, c: CaseReader) => {
      const temperature = c.number('temperature', 1);
      const options = { temperature, missing: MISSING[c.text('missing')], mask: x.mask };
      return {
        loss: mul(maskedMean(loss(x.student_logits, teacherOf(x), options), x.mask), temperature ** 2),
      };
    },
  }));

export const sparseVectors: readonly Vector[] = [
  ...tokenMean('KL', sparseKl),
  ...tokenMean('JSD', sparseJsd),
  ...tokenMean('TVD', sparseTotalVariation),
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'mean over supported teacher-preferred pairs (k>l) of softplus(-(s_k-s_l))',
    inputs,
    run: (x) => {
      const { values, pairs } = sparseLogisticRanking(x.student_logits, teacherOf(x), { mask: x.mask });
      return { loss: maskedMean(values, pairs) };
    },
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'mean over preferred pairs of relu(margin-(p_k-p_l)) on student probs',
    inputs,
    run: (x, c) => {
      const { values, pairs } = sparseHinge(x.student_logits, teacherOf(x), {
        margin: c.optional('margin'),
        temperature: c.optional('temperature'),
        mask: x.mask,
      });
      return { loss: maskedMean(values, pairs) };
    },
  },
];
