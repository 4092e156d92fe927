import { constant, exp, mean, ndarray } from '../../graph/index.ts';
import { classLogits, subclassKl } from '../../losses/subclasses.ts';
import type { Vector } from '../../losses/vectors/index.ts';
import { type Rows, subclassDirections, subclassLogits, subclassTargets } from './subclass-targets.ts';

export const lelpVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'lelp',
    function:
      'LELP targets and loss: null-space projector P, per-class mean/top-S PCA (eigenvector sign: largest |entry| positive) times given rotation Q_c, z_{c,s}=(P h-mu_c).v_{c,s}, p_{c,s}=softmax_c(Wh/tau)*softmax_s(z_{c,.}/beta) flattened c*S+s, loss=tau^2*mean KL(p||softmax(student/tau)); class probs at test = sum over s at temperature 1',
    inputs: { embeddings: 'host', W: 'host', class_of_sample: 'host', Q: 'host' },
    run: (x, c) => {
      const embeddings = c.input<Rows>('embeddings');
      const weights = c.input<Rows>('W');
      const temperature = c.number('tau');
      const found = subclassDirections(
        embeddings,
        c.input<number[]>('class_of_sample'),
        c.input<Rows[]>('Q'),
        { subclasses: c.number('S'), weights },
      );
      const z = subclassLogits(embeddings, found);
      const logits = embeddings.map((h) => weights.map((w) => w.reduce((s, v, i) => s + v * h[i], 0)));
      const logp = subclassTargets(logits, z, { beta: c.number('beta'), temperature });
      const shape = [logp.length, logp[0].length];
      const flat = Float64Array.from(logp.flat());
      const targets = constant(
        ndarray(x.student_logits.dtype === 'float64' ? flat : Float32Array.from(flat), shape),
      );
      return {
        P: found.projector,
        class_means: found.means,
        eigenvalues: found.eigenvalues,
        directions_rotated: found.directions,
        z,
        targets: logp.map((row) => row.map(Math.exp)),
        loss: mean(subclassKl(x.student_logits, targets, { temperature })),
        class_probs: exp(classLogits(x.student_logits, weights.length)),
      };
    },
  },
];
