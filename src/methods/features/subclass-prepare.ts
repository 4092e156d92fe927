import { type NDArray, ndarray, toNumbers } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import type { Prepared, PrepareInput } from '../method.ts';
import type { LelpOptions } from './lelp.ts';
import { splitClasses, usedSubclasses } from './subclass-split.ts';
import { subclassTargets } from './subclass-targets.ts';

const rowsOf = (a: NDArray): number[][] => {
  const [rows, width] = a.shape;
  const x = toNumbers(a);
  return Array.from({ length: rows }, (_, r) => [...x.slice(r * width, (r + 1) * width)]);
};

/** The teacher's classes, split by the structure of its embeddings: the targets of every training row. */
export function prepareSubclasses(
  options: LelpOptions,
  { logits, hidden, outputLayer, labels, classes }: PrepareInput,
): Prepared {
  const { embedding } = hidden;
  if (embedding.shape.length !== 2)
    throw new DecantError('pairing', 'the embedding of the teacher is not one vector per example', {
      at: 'teacher',
      seen: `[${embedding.shape.join(', ')}]`,
      allowed: '[rows, width]',
    });
  if (options.nullProjection && !outputLayer)
    throw new DecantError('pairing', "the weights of the teacher's output layer are not known", {
      at: 'method.options.nullProjection',
      fix: 'set nullProjection: false',
    });
  const scores = rowsOf(logits!);
  const chosen = scores.map((row, i) =>
    options.members === 'labels' && labels[i] >= 0 ? labels[i] : row.indexOf(Math.max(...row)),
  );
  const split = splitClasses(rowsOf(embedding), chosen, classes, {
    ...options,
    weights: options.nullProjection ? rowsOf(outputLayer!.weights) : undefined,
  });
  const logp = subclassTargets(scores, split.z, options);
  return {
    columns: { subclasses: ndarray(Float32Array.from(logp.flat()), [logp.length, logp[0].length]) },
    facts: { ...split.facts, usedSubclasses: usedSubclasses(split.z, chosen, options.beta) },
  };
}
