import { constant, type Tensor } from '../graph/index.ts';
import type { AnyModel } from '../nn/model.ts';
import { tappingEmbedding } from '../nn/output-layer.ts';
import { prefixed } from '../nn/params.ts';
import { scopeOf } from '../nn/scope.ts';
import type { Objective } from '../train/objective.ts';
import { masksOf } from '../train/step-graph.ts';
import { DecantError } from '../util/errors.ts';
import { column, hiddenColumns, under } from './columns.ts';
import type { LossInput, Method, Prepared, SetupInfo, TeacherSignals } from './method.ts';

/** Where a method's extra parts live among the trained parameters. They are not part of the exported student. */
export const EXTRA = '@method';

type Columns = Readonly<Record<string, Tensor>>;

function signalsOf(batch: Columns): TeacherSignals {
  const ids = batch[column.topkIds];
  const hidden = hiddenColumns(batch);
  const prepared = under(batch, column.prepared(''));
  return {
    logits: batch[column.teacherLogits],
    topk: ids ? { ids, logp: batch[column.topkLogp] } : undefined,
    hidden: Object.keys(hidden).length > 0 ? hidden : undefined,
    score: batch[column.score],
    logp: batch[column.teacherLogp],
    prepared: Object.keys(prepared).length > 0 ? prepared : undefined,
  };
}

/** A method with what is known of its pair and its data: what `setup` asks for, and the constants of `prepare`. */
export const boundTo = <C>(
  method: Method<C>,
  { info, constants }: { info?: SetupInfo; constants?: Prepared['constants'] },
): Method<C> => ({
  ...method,
  ...(method.setup && info && { setup: (config: C) => method.setup!(config, info) }),
  ...(constants && {
    loss: (input: LossInput, config: C) =>
      method.loss({ ...input, constants: mapValues(constants, constant) }, config),
  }),
});

const mapValues = <A, B>(all: Readonly<Record<string, A>>, f: (a: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(all).map(([n, a]) => [n, f(a)]));

/** Student + method as the loop's objective. */
export function distillation<C>(
  model: Pick<AnyModel, 'params' | 'forward'>,
  method: Method<C>,
  config: C,
  info?: SetupInfo,
): Objective {
  const tapped = tappingEmbedding(model);
  const extra = method.setup ? prefixed(EXTRA, method.setup(config, info ?? unknownPair(method.slug))) : {};
  return {
    params: { ...model.params, ...extra },
    scalars: Object.keys(method.schedule?.init(config) ?? {}),
    leading: method.leading?.(config),
    terms(params, batch, ctx) {
      const taps = new Map<string, Tensor>();
      const forward = { train: ctx.train, nextKey: ctx.nextKey, updates: ctx.updates, taps };
      const student = tapped.forward(scopeOf(params, forward), under(batch, 'input/')) as Record<
        string,
        Tensor
      >;
      const masks = masksOf(batch);
      const input: LossInput = {
        student,
        tap: (path) => {
          const t = taps.get(path);
          if (!t) {
            throw new DecantError('model', `the student has no activation at '${path}'`, {
              allowed: [...taps.keys()].slice(0, 20).join(', '),
            });
          }
          return t;
        },
        teacher: signalsOf(batch),
        labels: batch[column.labels],
        masks: {
          examples: masks.examples!,
          labelled: masks.labelled ?? masks.examples!,
          tokens: masks.tokens,
        },
        columns: batch,
        scalars: ctx.scalars,
        extra: scopeOf(params, forward, EXTRA),
      };
      return { terms: method.loss(input, config), masks };
    },
  };
}

/** Widths that a method asks for and nobody has told. */
function unknownPair(slug: string): SetupInfo {
  const fail = (): never => {
    throw new DecantError('internal', `the method '${slug}' has parts to set up and needs the pair's widths`);
  };
  return {
    studentWidth: fail,
    teacherWidth: fail,
    get classes() {
      return fail();
    },
  };
}
