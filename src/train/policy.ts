import {
  add,
  cast,
  mul,
  type NDArray,
  neg,
  notEqual,
  reshape,
  slice,
  spec,
  squeeze,
  stopGradient,
  sum,
  sym,
  type Tensor,
} from '../graph/index.ts';
import { crossEntropyWithLabels } from '../losses/labels.ts';
import type { AnyModel } from '../nn/model.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import { type ParamSpecs, type Params, prefixed } from '../nn/params.ts';
import { type Scope, scopeOf } from '../nn/scope.ts';

/** Columns of a batch of responses. All but the inputs are constants. */
export const preferenceColumn = {
  /** `[batch, responses]` Σ log π_ref, and single tokens `[batch, responses, seq]`. */
  reference: 'reference/logp',
  referenceTokens: 'reference/tokens',
  /** `[batch]` of the mismatched response. */
  mismatchedReference: 'reference/mismatched',
  /** `[batch, responses]` */
  scores: 'scores',
  /** `[batch, responses]`, 1 where there is a response; absent when all rows hold equally many. */
  present: 'present',
} as const;

/**
 * What a preference loss sees of a model: from logits `[batch, responses, seq, vocab]` and the response's tokens aligned
 * with them (`[batch, responses, seq]` int32, -100 elsewhere) log-probabilities and lengths.
 */
export function responseOutputs(
  logits: Tensor,
  tokens: Tensor,
): Record<'logits' | 'logp' | 'length' | 'tokenLogp', Tensor> {
  const tokenLogp = neg(crossEntropyWithLabels(logits, tokens));
  return {
    logits,
    tokenLogp,
    logp: sum(tokenLogp, -1),
    length: sum(cast(notEqual(tokens, -100), tokenLogp.dtype), -1),
  };
}

/** Where a moving reference lives among the parameters: buffers beside the policy's own. */
export const MOVING = '@reference';

type Writer = Pick<DecoderModel, 'params' | 'forward' | 'architecture' | 'config'>;

export interface PolicyOptions {
  /** The last response of each row belongs to another prompt: it is put out apart, as `mismatched` `[batch]`. */
  mismatched?: boolean;
  /** A reference that follows the policy, see {@link followed}. */
  moving?: { readonly decay: number };
}

/**
 * A decoder on several responses per prompt: inputs `input_ids`, `attention_mask` and `response`, all
 * `[batch, responses, seq]`; outputs as {@link responseOutputs}.
 */
export function preferencePolicy(
  decoder: Writer,
  { mismatched = false, moving }: PolicyOptions = {},
): AnyModel {
  const types = spec([sym('batch'), sym('responses'), sym('seq')], 'int32');
  const policy: AnyModel = {
    architecture: decoder.architecture,
    config: decoder.config,
    params: decoder.params,
    inputs: { input_ids: types, attention_mask: types, response: types },
    forward(s: Scope, { input_ids, attention_mask, response }: Record<string, Tensor>) {
      const [batch, responses, seq] = input_ids.shape;
      const flat = (x: Tensor): Tensor => reshape(x, [(batch as number) * (responses as number), seq]);
      const { logits } = decoder.forward(s, {
        input_ids: flat(input_ids),
        ...(attention_mask ? { attention_mask: flat(attention_mask) } : {}),
      });
      const all = responseOutputs(reshape(logits, [batch, responses, seq, logits.shape[2]]), response);
      return mismatched ? { ...firsts(all), mismatched: lastOf(all.logp) } : all;
    },
  };
  return moving ? followed(policy, moving.decay) : policy;
}

/** The parameters that a moving reference has of its own: all that the policy trains. */
const moved = (params: ParamSpecs): ParamSpecs =>
  Object.fromEntries(Object.entries(params).filter(([, p]) => !p.buffer));

/**
 * A policy with a reference that follows it: reference ← decay · reference + (1 - decay) · policy after every step. Adds
 * the outputs `reference` and, of a policy that gives them, `referenceTokens` and `mismatchedReference`. What the policy
 * does not train, such as the base of its adapters, both have together.
 */
export function followed(policy: AnyModel, decay: number): AnyModel {
  const own = moved(policy.params);
  const frozen: ParamSpecs = Object.fromEntries(
    Object.entries(own).map(([n, p]) => [
      n,
      { ...p, buffer: true, tiedTo: p.tiedTo && `${MOVING}.${p.tiedTo}` },
    ]),
  );
  return {
    ...policy,
    params: { ...policy.params, ...prefixed(MOVING, frozen) },
    forward(s: Scope, inputs: Record<string, Tensor>) {
      const now = policy.forward(s, inputs);
      // the reference under the policy's own names, so that its adapters are found
      const past = Object.entries(own).filter(([, p]) => p.tiedTo === undefined);
      const params = Object.fromEntries(past.map(([n]) => [n, s.param(`${MOVING}.${n}`)]));
      const ctx = { ...s.ctx, taps: undefined, updates: undefined };
      const kept = policy.forward(scopeOf({ ...s.params, ...params }, ctx, s.path), inputs);
      follow(s, own, decay);
      return {
        ...now,
        reference: stopGradient(kept.logp),
        ...(kept.tokenLogp ? { referenceTokens: stopGradient(kept.tokenLogp) } : {}),
        ...(kept.mismatched ? { mismatchedReference: stopGradient(kept.mismatched) } : {}),
      };
    },
  };
}

const firsts = <K extends string>(outputs: Record<K, Tensor>): Record<K, Tensor> =>
  Object.fromEntries(
    Object.entries<Tensor>(outputs).map(([n, t]) => [n, slice(t, { axes: [1], starts: [0], ends: [-1] })]),
  ) as Record<K, Tensor>;
const lastOf = (x: Tensor): Tensor => squeeze(slice(x, { axes: [1], starts: [-1], ends: [undefined] }), 1);

/** Moves the reference a little towards the policy, in training. */
function follow(s: Scope, params: ParamSpecs, decay: number): void {
  for (const [name, p] of Object.entries(params)) {
    if (p.tiedTo !== undefined) continue;
    const next = add(mul(s.param(`${MOVING}.${name}`), decay), mul(stopGradient(s.param(name)), 1 - decay));
    s.ctx.updates?.set(`${MOVING}.${name}`, next);
  }
}

/** A policy's weights with a moving reference that starts as a copy of those it trains. */
export const withMovingReference = (start: Params<NDArray>, specs: ParamSpecs = {}): Params<NDArray> => ({
  ...start,
  ...Object.fromEntries(
    Object.entries(start)
      .filter(([n]) => !specs[n]?.buffer)
      .map(([n, a]) => [`${MOVING}.${n}`, a]),
  ),
});

/** The policy's weights alone. */
export const withoutReference = (params: Params<NDArray>): Params<NDArray> =>
  Object.fromEntries(Object.entries(params).filter(([n]) => !n.startsWith(`${MOVING}.`)));
