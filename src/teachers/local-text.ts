import type { TextTeacher, Written } from '../data/steps/step.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import { type Generation, generate } from '../generate/generate.ts';
import type { DecoderSession } from '../generate/session.ts';

export interface LocalTextOptions {
  readonly name: string;
  /** Content hash of weights and tokenizer. */
  readonly id: string;
  readonly session: DecoderSession;
  readonly tokenizer: Tokenizer;
  /** What an empty prompt is replaced by, without begin tokens of the tokenizer's own: bos, else eos. */
  readonly begin: number;
  /** Prompts run together; default 16. */
  readonly batchSize?: number;
}

/** A language model of this machine as a teacher that writes; prompts that are too long lose their beginning. */
export function localTextTeacher(o: LocalTextOptions): TextTeacher {
  const { tokenizer, session } = o;
  const { eos } = tokenizer.special;
  const written = (g: Generation): Written => ({
    text: g.text ?? '',
    logp: g.logp.reduce((a, b) => a + b, 0),
    finished: g.finish !== 'length',
  });
  return {
    name: o.name,
    id: o.id,
    async write(prompts, options) {
      const { maxTokens = 128, stop, ...sampling } = options;
      const limit = session.contextLength ?? Number.POSITIVE_INFINITY;
      const head = tokenizer.around.before;
      const room = Math.max(1, limit - Math.max(1, head.length) - maxTokens);
      const ids = prompts.map((p) => {
        const own = tokenizer.encode(p, { addSpecial: false }).slice(-room);
        // as in training: what begins a text stands only where nothing else does
        return head.length + own.length > 0 ? [...head, ...own] : [o.begin];
      });
      const answers = await generate(session, ids, {
        ...sampling,
        maxTokens: Math.min(maxTokens, limit),
        eos: eos === undefined ? [] : [eos],
        ...(stop?.length ? { stop } : {}),
        decoder: { decode: (t) => tokenizer.decode(t, { skipSpecial: true }) },
        batchSize: o.batchSize ?? 16,
      });
      return answers.map((samples) => samples.map(written));
    },
  };
}
