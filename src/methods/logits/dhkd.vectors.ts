import { add, linear, mean, mul, type Tensor } from '../../graph/index.ts';
import { type BinaryKlOptions, binaryKl, binaryKlNorm } from '../../losses/binary.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import type { CaseReader, Vector } from '../../losses/vectors/index.ts';
import { addAligned } from '../../optim/index.ts';

type Inputs = Record<string, Tensor>;
const method = 'dhkd';
const temperature = (c: CaseReader): BinaryKlOptions => ({ temperature: c.number('tau', 2) });

const logitLoss = (name: string, loss: typeof binaryKl): Vector => ({
  kind: 'differentiable',
  method,
  function: name,
  run: (x, c) => ({ loss: mean(loss(x.student_logits, x.teacher_logits, temperature(c))) }),
});

/** Scores of a linear head on the features. */
const head = (x: Inputs, name: string): Tensor =>
  linear(x.features, x[`W_${name}`], x[`b_${name}`], { transW: true });

export const dhkdVectors: readonly Vector[] = [
  logitLoss('BinaryKL: T^2/N * sum_{n,c} KL(Bern(sig(t/T)) || Bern(sig(s/T)))', binaryKl),
  logitLoss('BinaryKL-Norm: T^2/N * sum_{n,c} KL(Bern(1/2) || Bern(sig((s-t)/T)))', binaryKlNorm),
  {
    kind: 'differentiable',
    method,
    function: 'L = CE(main head) + alpha * BinaryKL-Norm(aux head, teacher)',
    inputs: { labels: 'int' },
    run: (x, c) => {
      const ce = mean(crossEntropyWithLabels(head(x, 'main'), x.labels));
      const kd = mean(binaryKlNorm(head(x, 'aux'), x.teacher_logits, temperature(c)));
      return { ce, kd, loss: add(ce, mul(kd, c.number('alpha'))) };
    },
  },
  {
    kind: 'differentiable',
    method,
    function:
      'gradient alignment: project KD gradient off the CE gradient when their full flattened dot product is negative, then sum',
    run: (x) => {
      const [ce, kd] = ['ce', 'kd'].map((n) => mul(x[`grad_${n}`], x[`has_grad_${n}`]));
      return { merged: addAligned({ all: ce }, { all: kd }).all };
    },
  },
];
