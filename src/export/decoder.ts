import {
  array,
  constant,
  dimAdd,
  gather,
  type NDArray,
  spec,
  sym,
  type Tensor,
  type TensorType,
} from '../graph/index.ts';
import type { PastKeyValues } from '../nn/models/decoder.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';
import { scopeOf } from '../nn/scope.ts';
import type { Chunks, Folder } from '../util/folder.ts';
import type { JsonObject } from '../util/json-text.ts';
import { specialTokens, writeModelFolder } from './folder.ts';
import { exportOnnx } from './onnx.ts';
import { onnxPath } from './onnx-files.ts';
import { quantizeOnnx } from './quantize.ts';
import { type ExportedFile, studentParams } from './student.ts';

/** Variants of a decoder's ONNX file: float32, int8, and 4-bit weights (onnxruntime's MatMulNBits). */
export type DecoderFormat = 'fp32' | 'int8' | 'int4';

export interface DecoderExport {
  readonly model: DecoderModel;
  readonly params: Params<NDArray>;
  /** Logits of the last position only, `[batch, 1, vocab]`: cheaper when only the next token is wanted. */
  readonly lastOnly?: boolean;
  /** Hidden states as a further output `hidden_states`. */
  readonly hidden?: boolean;
}

/**
 * A decoder with its key-value cache as ONNX, with the names that transformers.js uses: `input_ids`,
 * `attention_mask` `[batch, past + seq]`, `position_ids`, `past_key_values.N.key|value` in, `logits` and
 * `present.N.key|value` out. Batch, sequence and past are symbolic: nothing is compiled anew while decoding.
 */
export function decoderOnnx({ model, params, lastOnly, hidden }: DecoderExport): Uint8Array<ArrayBuffer> {
  const { layers, kvHeads, headWidth } = model.shape;
  const [batch, seq, past] = [sym('batch_size'), sym('sequence_length'), sym('past_sequence_length')];
  const cache = spec([batch, kvHeads, past, headWidth]);
  const inputs: Record<string, TensorType> = {
    input_ids: spec([batch, seq], 'int32'),
    attention_mask: spec([batch, dimAdd(past, seq)], 'int32'),
    position_ids: spec([batch, seq], 'int32'),
  };
  for (let i = 0; i < layers; i++) {
    inputs[`past_key_values.${i}.key`] = cache;
    inputs[`past_key_values.${i}.value`] = cache;
  }
  return exportOnnx<Record<string, Tensor>>({
    params: studentParams(model as never, params) as never,
    inputs,
    forward: (tree, given) => {
      const kept: PastKeyValues = Array.from({ length: layers }, (_, i) => ({
        key: given[`past_key_values.${i}.key`],
        value: given[`past_key_values.${i}.value`],
      }));
      const out = model.forward(scopeOf(tree), {
        input_ids: given.input_ids,
        attention_mask: given.attention_mask,
        position_ids: given.position_ids,
        past: kept,
      });
      const last = (x: Tensor): Tensor => (lastOnly ? gather(x, constant(array([-1], 'int32')), 1) : x);
      return {
        logits: last(out.logits),
        ...(hidden ? { hidden_states: last(out.hidden) } : {}),
        ...Object.fromEntries(
          out.present.flatMap(({ key, value }, i) => [
            [`present.${i}.key`, key],
            [`present.${i}.value`, value],
          ]),
        ),
      };
    },
    graphName: model.architecture,
  });
}

export interface DecoderFolder extends Pick<DecoderExport, 'model' | 'params'> {
  readonly formats: readonly DecoderFormat[];
  readonly tokenizer: JsonObject;
  readonly tokenizerConfig: JsonObject;
  readonly generationConfig?: JsonObject;
  readonly chatTemplate?: string;
  readonly config?: JsonObject;
  readonly files?: ReadonlyMap<string, Chunks>;
}

/** Writes a decoder language model as a folder that transformers.js opens with `pipeline('text-generation', …)`. */
export async function exportDecoder(target: Folder, d: DecoderFolder): Promise<ExportedFile[]> {
  const fp32 = decoderOnnx(d);
  const files = new Map<string, Chunks>(d.files);
  const written: ExportedFile[] = [];
  const put = (path: string, bytes: Uint8Array): void => {
    files.set(path, [bytes]);
    written.push({ path, bytes: bytes.length });
  };
  if (d.formats.includes('fp32')) put(onnxPath('fp32'), fp32);
  if (d.formats.includes('int8')) put(onnxPath('q8'), quantizeOnnx(fp32, { scheme: 'int8' }).bytes);
  if (d.formats.includes('int4')) put(onnxPath('q4'), quantizeOnnx(fp32, { scheme: 'int4' }).bytes);
  const weights = new Map(Object.entries(studentParams(d.model as never, d.params)));
  await writeModelFolder(target, {
    config: { ...(d.model.config as JsonObject), ...specialIds(d), ...d.config } as JsonObject,
    generationConfig: { ...specialIds(d), ...d.generationConfig },
    tokenizer: d.tokenizer,
    tokenizerConfig: d.tokenizerConfig,
    chatTemplate: d.chatTemplate,
    weights,
    files,
  });
  return [
    ...written,
    { path: 'model.safetensors', bytes: [...weights.values()].reduce((n, a) => n + a.data.byteLength, 0) },
  ];
}

/** `bos_token_id`, `eos_token_id`, `pad_token_id` of the tokenizer, by which other tools begin and end texts. */
function specialIds({ tokenizer, tokenizerConfig }: DecoderFolder): JsonObject {
  const named = specialTokens(tokenizerConfig);
  const added = (tokenizer.added_tokens ?? []) as JsonObject[];
  const ids: JsonObject = {};
  for (const role of ['bos', 'eos', 'pad'] as const) {
    const id = named[role] !== undefined && added.find((t) => t.content === named[role])?.id;
    if (typeof id === 'number') ids[`${role}_token_id`] = id;
  }
  return ids;
}
