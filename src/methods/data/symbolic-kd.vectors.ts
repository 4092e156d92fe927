import { precisionAbove } from '../../evaluate/precision-recall.ts';
import { add, matmul, mean, reshape, sigmoid, type Tensor } from '../../graph/index.ts';
import { binaryCrossEntropy } from '../../losses/binary.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { maskedMean } from '../../losses/reduce.ts';
import type { Json, Vector } from '../../losses/vectors/index.ts';
import { priorLogit } from '../../train/critic.ts';
import { criticCutoff } from '../../train/critic-step.ts';
import { type GeneratedEvent, postProcessEvents } from './symbolic-kd.ts';

const method = 'symbolic-kd';
const orNull = (x: number): number | null => (Number.isNaN(x) ? null : x);

/** Functions of the golden file of symbolic knowledge distillation. */
export const symbolicKdVectors: readonly Vector[] = [
  {
    kind: 'algorithmic',
    method,
    function:
      'critic cutoff for an expected recall: walk the precision-recall curve (thresholds ascending, recall descending) to the first point whose recall is <= target; average the val and test cutoffs; keep items with score strictly greater than the cutoff',
    run: (c) => {
      const on = (set: string) => ({
        scores: c.input<number[]>(`${set}_scores`),
        labels: c.input<number[]>(`${set}_labels`),
      });
      const [val, test] = [on('val'), on('test')];
      const table = (c.param('recalls') as readonly number[]).map((recall) => {
        const found = criticCutoff(val, test, recall);
        const [v, t] = [val, test].map((s) => precisionAbove(s.scores, s.labels, found.cutoff));
        return {
          recall,
          val_cutoff: found.validation.cutoff,
          val_precision: found.validation.precision,
          test_cutoff: found.test.cutoff,
          test_precision: found.test.precision,
          cutoff: found.cutoff,
          val_precision_at_cutoff: orNull(v.precision),
          test_precision_at_cutoff: orNull(t.precision),
          kept_val: v.kept,
          kept_test: t.kept,
        };
      });
      return { table };
    },
  },
  {
    kind: 'differentiable',
    method,
    function:
      'critic output layer: p=sigmoid(h.w+b), b initialised to log(prior/(1-prior)); mean binary cross-entropy, label 1 = human rating > 0',
    extra: { bias: [] },
    run: (x, c): Record<string, Tensor | Json> => {
      const start = priorLogit(c.number('prior'));
      const width = x.weight.shape[0];
      const dot = reshape(matmul(x.features, reshape(x.weight, [width, 1])), [x.features.shape[0]]);
      const logits = add(dot, add(x.bias, start));
      return {
        bias_init: start,
        probabilities: sigmoid(logits),
        loss: mean(binaryCrossEntropy(logits, x.labels)),
      };
    },
  },
  {
    kind: 'algorithmic',
    method,
    function:
      'event post-processing: keep finished generations that start with PersonX; de-duplicate (the last score wins); sort by logprob descending (the field called nll in the released files is a sum of log-probabilities, i.e. negative); keep the first floor(0.8*n); drop events with a character outside letters, digits and \',".-’$ and space, or shorter than 7 characters; order preserved',
    run: (c) => ({
      events: postProcessEvents(c.input<GeneratedEvent[]>('generations'), c.number('keep_fraction')),
    }),
  },
  {
    kind: 'differentiable',
    method,
    function:
      'student (COMET) loss: mean negative log-likelihood over tail tokens only; logits aligned with labels',
    inputs: { labels: 'int' },
    run: (x) => ({ loss: maskedMean(crossEntropyWithLabels(x.logits, x.labels), x.mask) }),
  },
];
