import {
  causalMask,
  type Dim,
  dimAdd,
  equal,
  expandDims,
  spec,
  sym,
  type Tensor,
  type TensorType,
} from '../../graph/index.ts';
import { attentionBias, bothMasks, paddingMask, queryPositions } from '../layers/attention.ts';

/** Keys and values of earlier tokens, one pair per layer: `[batch, kvHeads, past, width]`. */
export type PastKeyValues = readonly { readonly key: Tensor; readonly value: Tensor }[];

export interface DecoderInputs extends Record<string, Tensor | undefined | PastKeyValues> {
  /** `[batch, seq]` integers */
  input_ids: Tensor;
  /** `[batch, past + seq]`, 1 = real token; default all real */
  attention_mask?: Tensor;
  /** `[batch, seq]`; default past, past + 1, … (give them when padding stands on the left) */
  position_ids?: Tensor;
  /** `[batch, seq]`: which of the texts packed into a row a token belongs to; attention stays inside each. Training only. */
  segment_ids?: Tensor;
  past?: PastKeyValues;
}

export interface DecoderOutputs {
  /** `[batch, seq, vocab]` */
  logits: Tensor;
  /** Last hidden state after the final norm, `[batch, seq, hidden]`. */
  hidden: Tensor;
  /** Keys and values with the new tokens appended. */
  present: PastKeyValues;
}

export interface DecoderShape {
  layers: number;
  kvHeads: number;
  headWidth: number;
}

/** What every decoder needs before its layers: positions `[batch or 1, seq]`, what is added to attention scores, past length. */
export function decoderFrame(inputs: DecoderInputs): { positions: Tensor; mask: Tensor; past: Dim } {
  const seq = inputs.input_ids.shape[1];
  const past: Dim = inputs.past ? inputs.past[0].key.shape[2] : 0;
  const causal = causalMask(seq, dimAdd(past, seq));
  const padding = inputs.attention_mask ? paddingMask(inputs.attention_mask) : undefined;
  const { segment_ids } = inputs;
  const own = segment_ids && equal(expandDims(segment_ids, [1, 3]), expandDims(segment_ids, [1, 2]));
  return {
    positions: inputs.position_ids ?? queryPositions(seq, past),
    mask: attentionBias(bothMasks(bothMasks(causal, padding), own)!),
    past,
  };
}

/** Input types of a decoder graph with a cache: names as transformers.js expects them (`past_key_values.0.key` …). */
export function decoderInputTypes(shape: DecoderShape, withPast: boolean): Record<string, TensorType> {
  const batch = sym('batch_size');
  const seq = sym('sequence_length');
  const past = sym('past_sequence_length');
  return {
    input_ids: spec([batch, seq], 'int64'),
    attention_mask: spec([batch, withPast ? dimAdd(past, seq) : seq], 'int64'),
    position_ids: spec([batch, seq], 'int64'),
    ...(withPast
      ? Object.fromEntries(
          Array.from({ length: shape.layers }, (_, i) => [
            [`past_key_values.${i}.key`, spec([batch, shape.kvHeads, past, shape.headWidth])],
            [`past_key_values.${i}.value`, spec([batch, shape.kvHeads, past, shape.headWidth])],
          ]).flat(),
        )
      : {}),
  };
}
