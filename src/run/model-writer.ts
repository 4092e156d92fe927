import * as ort from 'onnxruntime-node';
import type { TextTeacher } from '../data/steps/step.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import { decoderOnnx } from '../export/decoder.ts';
import { openDecoderSession } from '../generate/session.ts';
import type { NDArray } from '../graph/index.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';
import { localTextTeacher } from '../teachers/local-text.ts';
import { beginToken } from '../train/language.ts';

export type Writer = TextTeacher & { close(): Promise<void> };

/** A language model with its weights as one that writes. */
export async function modelWriter(m: {
  readonly name: string;
  /** Content hash of weights and tokenizer. */
  readonly id: string;
  readonly model: DecoderModel;
  readonly params: Params<NDArray>;
  readonly tokenizer: Tokenizer;
}): Promise<Writer> {
  const session = await openDecoderSession(
    ort as never,
    decoderOnnx({ model: m.model, params: m.params, lastOnly: true }),
    { contextLength: m.model.maxLength },
  );
  const { name, id, tokenizer } = m;
  const writer = localTextTeacher({ name, id, session, tokenizer, begin: beginToken(tokenizer) });
  return { ...writer, close: () => session.close() };
}
