import { crossEntropyWithLabels } from '../../losses/labels.ts';
import type { LossInput, MethodNeeds } from '../method.ts';

/** What a method asks for that matches the logits of a classifier. */
export const classifierNeeds = (labels: MethodNeeds['labels']): MethodNeeds => ({
  tasks: ['classify', 'image-classify'],
  signals: [['logits']],
  labels,
  sameVocabulary: true,
});

/** The cross-entropy with labels as a term `ce` over the labelled rows; no term for batches without labels. */
export const labelTerm = ({ student, labels }: Pick<LossInput, 'student' | 'labels'>, weight: number) =>
  labels && {
    ce: { value: crossEntropyWithLabels(student.logits, labels), over: 'labelled', weight } as const,
  };
