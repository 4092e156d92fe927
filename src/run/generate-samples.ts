import * as ort from 'onnxruntime-node';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import type { ReportExample } from '../evaluate/report/data.ts';
import { decoderOnnx } from '../export/decoder.ts';
import { generate } from '../generate/generate.ts';
import { openDecoderSession } from '../generate/session.ts';
import type { NDArray } from '../graph/index.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';
import type { Reading } from '../train/counterpart.ts';
import { beginToken } from '../train/language.ts';

interface Writer extends Reading {
  readonly model: DecoderModel;
  readonly params: Params<NDArray>;
}

/** Prompts for samples: the rows' own, or the first third of a text. */
function promptOf(
  e: Example,
  tokenizer: Tokenizer,
  maxLength: number,
): { ids: number[]; text: string; gold: string } {
  const begin = beginToken(tokenizer);
  if (e.prompt !== undefined) {
    const ids = tokenizer.encode(e.prompt, { addSpecial: false });
    const head = tokenizer.around.before.length > 0 ? tokenizer.around.before : ids.length > 0 ? [] : [begin];
    const room = Math.max(1, Math.floor(maxLength / 2));
    return { ids: [...head, ...ids.slice(-room)], text: e.prompt, gold: e.response ?? '' };
  }
  const ids = tokenizer.encode(e.text ?? '', { addSpecial: false });
  const shown = ids.slice(0, Math.min(Math.floor(ids.length / 3), Math.floor(maxLength / 3)));
  const rest = ids.slice(shown.length, maxLength);
  return { ids: [begin, ...shown], text: tokenizer.decode(shown), gold: tokenizer.decode(rest) };
}

/** Greedy continuations of test rows by teacher and student, for the report. */
export async function sampleTexts(
  examples: readonly Example[],
  writers: { teacher?: Writer; student: Writer },
): Promise<ReportExample[]> {
  if (examples.length === 0) return [];
  const write = async ({ model, params, tokenizer, maxLength }: Writer): Promise<string[]> => {
    const { eos } = tokenizer.special;
    const session = await openDecoderSession(ort as never, decoderOnnx({ model, params }), {
      contextLength: model.maxLength,
    });
    const answers = await generate(
      session,
      examples.map((e) => promptOf(e, tokenizer, maxLength).ids),
      {
        maxTokens: Math.min(64, maxLength),
        eos: eos === undefined ? [] : [eos],
        decoder: { decode: (ids) => tokenizer.decode(ids, { skipSpecial: true }) },
      },
    );
    await session.close();
    return answers.map(([a]) => a.text!);
  };
  const teacher = writers.teacher && (await write(writers.teacher));
  const student = await write(writers.student);
  const { tokenizer, maxLength } = writers.student;
  return examples.map((e, i) => {
    const { text, gold } = promptOf(e, tokenizer, maxLength);
    // without the teacher's weights the row's own text stands beside the student's
    const beside = teacher
      ? { teacher: { text: teacher[i] } }
      : { versus: 'Test row', teacher: { text: gold } };
    return { input: text, gold, ...beside, student: { text: student[i] } };
  });
}
