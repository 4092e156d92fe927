import { generate } from '../generate/generate.ts';
import { DecantError } from '../util/errors.ts';
import type { LanguageModel } from './served-model.ts';

/** A prompt's ids, as the tokenizer begins texts; an empty prompt is the token that begins them. Errors: `usage`. */
export function encodePrompt(model: LanguageModel, text: string, addSpecial = true): number[] {
  const ids = model.tokenizer.encode(text, { addSpecial });
  if (ids.length > 0) return ids;
  const begin = model.tokenizer.special.bos ?? model.eos[0];
  if (begin === undefined)
    throw new DecantError('usage', 'the prompt is empty and the model has no token to begin with');
  return [begin];
}

export interface WriteTextsOptions {
  /** Longest answer in tokens; default 64. */
  readonly maxTokens?: number;
  /** 0 (default): the likeliest token at each position. */
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** Prompts run together; default 16. */
  readonly batchSize?: number;
}

/** What a language model wrote after a prompt. */
export interface WrittenText {
  readonly text: string;
  /** Why it ended: the model's own end, a stop text, or the longest length. */
  readonly finish: 'eos' | 'stop' | 'length';
  readonly tokens: number;
  /** Sum of the tokens' log-probabilities, nats. */
  readonly logp: number;
}

/** Continues prompts. A prompt longer than the context loses its beginning. Errors: `usage` for maxTokens beyond the context. */
export async function writeTexts(
  model: LanguageModel,
  prompts: readonly string[],
  options: WriteTextsOptions = {},
): Promise<WrittenText[]> {
  const { tokenizer, maxLength } = model;
  const { maxTokens = Math.min(64, Math.floor(maxLength / 2)), temperature = 0 } = options;
  const room = maxLength - maxTokens;
  if (room < 1)
    throw new DecantError('usage', 'the answer would not fit into the context', {
      at: '--max-tokens',
      seen: maxTokens,
      allowed: `1 to ${maxLength - 1}`,
    });
  const answers = await generate(
    model.session,
    prompts.map((p) => encodePrompt(model, p).slice(-room)),
    {
      maxTokens,
      temperature,
      topP: options.topP,
      seed: options.seed,
      stop: options.stop,
      batchSize: options.batchSize,
      eos: model.eos,
      decoder: { decode: (ids) => tokenizer.decode([...ids], { skipSpecial: true }) },
    },
  );
  return answers.map(([a]) => ({
    text: a.text ?? '',
    finish: a.finish,
    tokens: a.ids.length,
    logp: a.logp.reduce((x, y) => x + y, 0),
  }));
}
