import { DecantError } from '../util/errors.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

/** Ids of a prompt with its response, and which of them the student learns. */
export interface MaskedExample {
  ids: number[];
  /** 1 for tokens of a response (its end mark included), 0 for the prompt. */
  mask: number[];
  /** What was lost to maxLength. */
  truncated: 'none' | 'prompt' | 'response';
}

export interface PromptResponseOptions {
  /** Longest result. The prompt loses its beginning first, down to `minPrompt` tokens; then the response its end. */
  maxLength?: number;
  /** Default 1, so that something stands before the first learned token. */
  minPrompt?: number;
  /** Put the tokenizer's begin tokens (bos, cls) before the prompt. Default true. */
  addSpecial?: boolean;
  /** Close the response with the eos token and learn it. Default true where there is one. */
  addEos?: boolean;
}

/**
 * Encodes prompt and response apart and joins the ids, as generation does: no token straddles the boundary, and the
 * learned tokens are exactly those that a model would have to produce. A response that was cut has no end mark.
 */
export function promptResponse(
  tokenizer: Tokenizer,
  prompt: string,
  response: string,
  options: PromptResponseOptions = {},
): MaskedExample {
  const begin = options.addSpecial === false ? [] : tokenizer.around.before;
  const eos = tokenizer.special.eos;
  if (options.addEos === true && eos === undefined) {
    throw new DecantError('model', 'the tokenizer has no eos token to close the response with', {
      at: 'tokenizer_config.json',
      fix: 'name one as eos_token, or set addEos to false',
    });
  }
  const end = options.addEos === false || eos === undefined ? [] : [eos];
  const p = tokenizer.encode(prompt, { addSpecial: false });
  const r = [...tokenizer.encode(response, { addSpecial: false }), ...end];
  return joinMasked(begin, p, r, options);
}

/** Joins begin tokens, prompt and response under a limit. */
export function joinMasked(
  begin: readonly number[],
  prompt: readonly number[],
  response: readonly number[],
  options: Pick<PromptResponseOptions, 'maxLength' | 'minPrompt'> = {},
): MaskedExample {
  const limit = options.maxLength ?? Number.POSITIVE_INFINITY;
  const keepAtLeast = Math.min(prompt.length, options.minPrompt ?? 1);
  if (limit < begin.length + keepAtLeast + 1) {
    throw new DecantError(
      'usage',
      'too short for the begin tokens, the least of the prompt and one learned token',
      {
        at: 'maxLength',
        seen: limit,
        allowed: `from ${begin.length + keepAtLeast + 1}`,
      },
    );
  }
  const room = limit - begin.length - response.length;
  const keep = Math.max(keepAtLeast, Math.min(prompt.length, room));
  const learned = response.slice(0, limit - begin.length - keep);
  const head = [...begin, ...prompt.slice(prompt.length - keep)];
  return {
    ids: [...head, ...learned],
    mask: [...head.map(() => 0), ...learned.map(() => 1)],
    truncated: learned.length < response.length ? 'response' : keep < prompt.length ? 'prompt' : 'none',
  };
}
