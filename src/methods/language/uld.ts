import { z } from 'zod';
import { array, constant, gather, type Tensor } from '../../graph/index.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { uld as universalLogitDistance } from '../../losses/uld.ts';
import { column } from '../columns.ts';
import { defineMethod, type LossInput } from '../method.ts';

const config = z.strictObject({
  weight: z
    .number()
    .positive()
    .default(1.5)
    .describe('λ of the distance beside the cross-entropy; 1.5 in the paper'),
  temperature: z.number().positive().default(1).describe("τ, divides both models' logits; 1 in the paper"),
});

type Options = z.infer<typeof config>;

/** Distance of sorted distributions over what both models predict of the answer: `[batch]`. */
const distance = ({ student, teacher, masks, columns }: LossInput, { temperature }: Options) =>
  universalLogitDistance(
    student.logits,
    teacher.logits!,
    masks.tokens!,
    // the teacher's own tokens, where it splits the text differently
    columns[column.teacherAnswer] ?? masks.tokens!,
    { temperature },
  );

/** The same distributions over another order of the vocabulary. */
function renamed(logits: Tensor): Tensor {
  const size = logits.shape[2] as number;
  const order = Array.from({ length: size }, (_, i) => size - 1 - i);
  return gather(logits, constant(array(order, 'int32')), 2);
}

/**
 * Universal logit distillation: L = CE + λ Σ_i Σ_v |sort(q_i) - sort(p_i)| / n, for any two tokenizers. Position i of the
 * student's answer goes with position i of the teacher's.
 */
export const uld = defineMethod<Options>({
  slug: 'uld',
  family: 'language',
  meta: {
    title: 'Towards Cross-Tokenizer Distillation: the Universal Logit Distillation Loss for LLMs',
    year: 2024,
    link: 'arXiv 2402.12030',
    summary: 'distil between different tokenizers: compare probabilities sorted by size instead of by token',
    deviations: [
      "the rows compared are those that predict the answer tokens; the authors' code takes the rows at the answer tokens, one later",
    ],
  },
  needs: { tasks: ['generate'], signals: [['logits']], labels: 'unused', sameVocabulary: false },
  config,
  loss(input, options) {
    return {
      ce: { value: crossEntropyWithLabels(input.student.logits, input.labels!), over: 'tokens' },
      uld: { value: distance(input, options), weight: options.weight },
    };
  },
  identities: [
    {
      name: 'renaming the tokens of the teacher changes nothing',
      check(input) {
        const other = { ...input, teacher: { ...input.teacher, logits: renamed(input.teacher.logits!) } };
        const options = { weight: 1, temperature: 1 };
        return { got: distance(other, options), want: distance(input, options) };
      },
    },
  ],
});
