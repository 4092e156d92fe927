import type { Engine } from '../../engine/engine.ts';
import { logSoftmax, type NDArray, neg, spec, sym, type Tensor } from '../../graph/index.ts';
import { forwardKl } from '../../losses/divergences.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { createInference } from '../../nn/inference.ts';
import type { DecoderModel } from '../../nn/models/llama.ts';
import { type ParamSpecs, type Params, prefixed } from '../../nn/params.ts';
import { type Scope, scopeOf } from '../../nn/scope.ts';
import type { SignalShelf } from '../../teachers/store/index.ts';
import type { TokenRows } from '../../train/language.ts';
import type { TokenLogps } from '../../train/preference.ts';
import { DecantError } from '../../util/errors.ts';
import { rowBatches } from '../language-model.ts';

/** A language model with its weights. */
export interface Scored {
  readonly model: DecoderModel;
  readonly params: Params<NDArray>;
}

const types = () => {
  const ids = spec([sym('rows'), sym('length')], 'int32');
  return { input_ids: ids, attention_mask: ids, response: ids };
};
const logpOf = (logits: Tensor, response: Tensor): Tensor => neg(crossEntropyWithLabels(logits, response));
const logitsOf = (model: DecoderModel, s: Scope, x: Record<string, Tensor>): Tensor =>
  model.forward(s, { input_ids: x.input_ids, attention_mask: x.attention_mask }).logits;
const feed = (rows: TokenRows, chosen: readonly number[]): Record<string, NDArray> => ({
  ...rows.inputs(chosen),
  response: rows.labels(chosen),
});

/** Entries of the learned tokens of row r of a batch. */
const learned = (rows: TokenRows, row: number, values: NDArray, r: number): Float64Array => {
  const width = values.shape[1];
  const out: number[] = [];
  rows.rows[row].learned.forEach((l, t) => {
    if (l) out.push((values.data as Float32Array)[r * width + t - 1]);
  });
  return Float64Array.from(out);
};

export interface ScoringOptions {
  readonly batchSize: number;
  /** Throws when the run is to stop. */
  readonly check: () => void;
  readonly onProgress?: (done: number, of: number) => void;
}

/**
 * Log-probabilities of the responses' tokens under a model: from the store where they are kept, else computed once and
 * stored before they are used.
 */
export async function responseLogps(
  engine: Engine,
  rows: TokenRows,
  { model, params }: Scored,
  shelf: SignalShelf,
  { batchSize, check, onProgress }: ScoringOptions,
): Promise<{ logps: TokenLogps; asked: number }> {
  const key = (i: number): unknown => ({ ids: [...rows.rows[i].ids], from: rows.rows[i].learned.indexOf(1) });
  const missing = new Map<string, number>();
  for (let i = 0; i < rows.size; i++) {
    const id = shelf.key(key(i));
    if (!missing.has(id) && !shelf.has(key(i))) missing.set(id, i);
  }
  const wanted = new Set(missing.values());
  const inference = createInference(
    engine,
    {
      params: model.params,
      inputs: types(),
      forward: (s: Scope, x: Record<string, Tensor>) => ({ logp: logpOf(logitsOf(model, s, x), x.response) }),
    },
    { outputs: ['logp'] },
  );
  try {
    await inference.setParams(params);
    let done = 0;
    for (const batch of rowBatches(rows, batchSize)) {
      const chosen = batch.filter((i) => wanted.has(i));
      if (chosen.length === 0) continue;
      check();
      const { logp } = await inference.run(feed(rows, chosen));
      await Promise.all(
        chosen.map((row, r) => shelf.put(key(row), { form: 'score', values: learned(rows, row, logp, r) })),
      );
      done += chosen.length;
      onProgress?.(done, wanted.size);
    }
  } finally {
    await inference.dispose();
  }
  const kept = Array.from({ length: rows.size }, (_, i) => {
    const signal = shelf.get(key(i));
    if (signal?.form !== 'score')
      throw new DecantError('teacher', 'the store lost a signal that was written', { at: `row ${i}` });
    return signal.values;
  });
  return { logps: (row) => kept[row], asked: wanted.size };
}

/** What a policy makes of each response, and how far it is from the reference: sums over the response's tokens. */
export interface ResponseScores {
  readonly tokens: Int32Array;
  /** Σ log π, nats. */
  readonly logp: Float64Array;
  /** Σ log π_ref, nats. */
  readonly reference: Float64Array;
  /** Σ KL(π ‖ π_ref) over the whole vocabulary, nats. */
  readonly kl: Float64Array;
}

/** Ties among parameters that get a prefix. */
const withTies = (params: ParamSpecs): ParamSpecs =>
  Object.fromEntries(
    Object.entries(params).map(([n, p]) => [n, { ...p, tiedTo: p.tiedTo && `${POLICY}.${p.tiedTo}` }]),
  );

/** Compares policies with a reference on rows of tokens; both networks run in one graph. */
export interface PolicyScorer {
  run(params: Params<NDArray>, rows: TokenRows): Promise<ResponseScores>;
  dispose(): Promise<void>;
}

export interface ScorerOptions {
  readonly batchSize: number;
  /** Parameters that every policy has in common with the reference: they are held once. Default none. */
  readonly shared?: readonly string[];
}

const POLICY = 'policy';

export function policyScorer(
  engine: Engine,
  policy: DecoderModel,
  reference: Scored,
  { batchSize, shared = [] }: ScorerOptions,
): PolicyScorer {
  const common = new Set(shared);
  const apart = Object.fromEntries(Object.entries(policy.params).filter(([n]) => !common.has(n)));
  const names = Object.keys(apart).filter((n) => apart[n].tiedTo === undefined);
  const inference = createInference(
    engine,
    {
      params: { ...reference.model.params, ...prefixed(POLICY, withTies(apart)) },
      inputs: types(),
      forward(s: Scope, x: Record<string, Tensor>) {
        const params = Object.fromEntries(names.map((n) => [n, s.param(`${POLICY}.${n}`)]));
        const own = logitsOf(policy, scopeOf({ ...s.params, ...params }, s.ctx, s.path), x);
        const other = logitsOf(reference.model, s, x);
        return {
          logp: logpOf(own, x.response),
          reference: logpOf(other, x.response),
          kl: forwardKl(logSoftmax(other), logSoftmax(own)),
        };
      },
    },
    { outputs: ['logp', 'reference', 'kl'] },
  );
  return {
    async run(params, rows) {
      const own = Object.entries(params).filter(([n]) => apart[n]);
      await inference.setParams({
        ...reference.params,
        ...Object.fromEntries(own.map(([n, a]) => [`${POLICY}.${n}`, a])),
      });
      const out = {
        tokens: new Int32Array(rows.size),
        logp: new Float64Array(rows.size),
        reference: new Float64Array(rows.size),
        kl: new Float64Array(rows.size),
      };
      for (const chosen of rowBatches(rows, batchSize)) {
        const found = await inference.run(feed(rows, chosen));
        chosen.forEach((row, r) => {
          for (const key of ['logp', 'reference', 'kl'] as const) {
            const values = learned(rows, row, found[key], r);
            out.tokens[row] = values.length;
            for (const v of values) out[key][row] += v;
          }
        });
      }
      return out;
    },
    dispose: () => inference.dispose(),
  };
}
