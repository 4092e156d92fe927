import { ndarray, spec, sym, type Tensor } from '../../graph/index.ts';
import { takeRows } from '../../losses/testing/evaluate.ts';
import { withSubclasses } from '../../nn/auto.ts';
import { embedding, embeddingParams } from '../../nn/layers/embedding.ts';
import { linear, linearParams } from '../../nn/layers/linear.ts';
import type { AnyModel } from '../../nn/model.ts';
import { mlp } from '../../nn/models/mlp.ts';
import { prefixed } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import type { BatchSource } from '../../train/batches.ts';
import { preferencePolicy } from '../../train/policy.ts';
import { createRng } from '../../util/rng.ts';
import { type Columns, isGraph, isLanguage, isPreference, placesOf, SIZES } from './inputs.ts';

/** The smallest student of a task: an MLP on features, a bigram model on tokens, or one on responses. */
export function studentFor(task: string, subclasses = 1): AnyModel {
  const { classes, features } = SIZES;
  if (isPreference(task)) return preferencePolicy(studentFor('generate') as never);
  if (!isLanguage(task))
    return withSubclasses(mlp({ inputs: features, hidden: [8], outputs: classes }), subclasses);
  return {
    architecture: 'Bigram',
    config: {},
    params: {
      ...prefixed('embed', embeddingParams(classes, 8)),
      ...prefixed('head', linearParams(8, classes)),
    },
    inputs: { input_ids: spec([sym('batch'), sym('seq')], 'int32') },
    forward: (s: Scope, { input_ids }: { input_ids: Tensor }) => ({
      logits: linear(s.at('head'), embedding(s.at('embed'), input_ids)),
    }),
  };
}

/** Rows of the columns as a training source, with random inputs for {@link studentFor}. */
export function rowSource(task: string, columns: Columns): BatchSource {
  const rng = createRng(`inputs/${task}`);
  const { rows, classes, features } = SIZES;
  const all: Columns = {
    ...columns,
    ...(isLanguage(task) || isPreference(task)
      ? {
          'input/input_ids': ndarray(
            Int32Array.from({ length: placesOf(task).reduce((a, b) => a * b) }, () => rng.int(classes)),
            placesOf(task),
          ),
        }
      : {
          'input/features': ndarray(
            Float32Array.from({ length: rows * features }, () => rng.normal()),
            [rows, features],
          ),
        }),
  };
  if (isGraph(task)) return { size: 1, collate: () => all };
  return {
    size: rows,
    collate: (ids) => Object.fromEntries(Object.entries(all).map(([n, a]) => [n, takeRows(a, ids)])),
  };
}
