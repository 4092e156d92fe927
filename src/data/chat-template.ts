import { Template } from '@huggingface/jinja';
import { specialTokens } from '../export/folder.ts';
import { DecantError } from '../util/errors.ts';
import type { JsonObject } from '../util/json-text.ts';
import type { MaskedExample } from './prompt-response.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface ChatMessage {
  role: string;
  content?: string | null | readonly unknown[];
  [key: string]: unknown;
}

export interface RenderOptions {
  /** End with what opens an answer of the assistant. */
  generationPrompt?: boolean;
  tools?: readonly unknown[];
  /** Further variables of the template: `enable_thinking`, or `date_string`, without which some print today's date. */
  variables?: Readonly<Record<string, unknown>>;
}

/** A chat template, compiled. */
export interface ChatTemplate {
  readonly source: string;
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

/** Compiles a Jinja chat template; special tokens of the tokenizer's config are its variables. */
export function createChatTemplate(
  source: string,
  tokenizerConfig: JsonObject = {},
  at = 'chat template',
): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new DecantError('model', `the chat template does not compile (${(cause as Error).message})`, {
      at,
      cause,
    });
  }
  const tokens = Object.fromEntries(
    Object.entries(specialTokens(tokenizerConfig)).map(([role, text]) => [`${role}_token`, text]),
  );
  return {
    source,
    render(messages, options = {}) {
      try {
        return template.render({
          messages: structuredClone(messages), // templates may change what they are given
          add_generation_prompt: options.generationPrompt ?? false,
          tools: options.tools ?? null,
          documents: null,
          ...tokens,
          ...options.variables,
        });
      } catch (cause) {
        throw new DecantError(
          'data',
          `the chat template refuses these messages (${(cause as Error).message})`,
          {
            at,
            seen: messages.map((m) => m.role),
            fix: 'check the order of the roles and the fields that the template reads',
            cause,
          },
        );
      }
    },
  };
}

export interface ChatExampleOptions extends Omit<RenderOptions, 'generationPrompt'> {
  /** Learn every answer or the last one. Default all. */
  learn?: 'all' | 'last';
  /** Longest result; whole tokens are cut from the left, so that the last answer stays. */
  maxLength?: number;
}

/** A stretch of the rendered text that the assistant wrote. */
export interface Span {
  begin: number;
  end: number;
}

/**
 * Where the answers stand in the rendered text, found by rendering the conversation up to each answer, with and
 * without it. Throws where the template writes earlier turns differently once later ones follow.
 */
export function answerSpans(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatExampleOptions = {},
): { text: string; spans: Span[] } {
  const answers = messages.flatMap((m, i) => (m.role === 'assistant' ? [i] : []));
  const chosen = options.learn === 'last' ? answers.slice(-1) : answers;
  if (chosen.length === 0) {
    throw new DecantError('data', 'there is no message of the assistant to learn', {
      seen: messages.map((m) => m.role),
      fix: 'give at least one message with role "assistant"',
    });
  }
  const text = template.render(messages, options);
  const spans = chosen.map((i) => {
    const history = i === 0 ? '' : template.render(messages.slice(0, i), options);
    const opened = template.render(messages.slice(0, i), { ...options, generationPrompt: true });
    const after = template.render(messages.slice(0, i + 1), options);
    // the two may part inside the generation prompt (an open <think>), but not before it
    const begin = commonPrefix(opened, after);
    if (begin < history.length || !text.startsWith(after)) {
      const parts = begin < history.length ? begin : commonPrefix(after, text);
      throw new DecantError(
        'data',
        `the chat template writes turns up to ${i + 1} differently when later ones follow`,
        {
          at: `messages[${i}]`,
          seen: after.slice(Math.max(0, parts - 20), parts + 40),
          fix: 'use splitAnswers(messages) and learn: "last", which makes one example of each answer',
        },
      );
    }
    return { begin, end: after.length };
  });
  return { text, spans };
}

/** One conversation for each answer, each ending with it: for templates that rewrite earlier turns. */
export const splitAnswers = (messages: readonly ChatMessage[]): ChatMessage[][] =>
  messages.flatMap((m, i) => (m.role === 'assistant' ? [messages.slice(0, i + 1)] : []));

/**
 * Ids of a rendered conversation with a mask over the answers. An answer is learned up to and including its last
 * special token (the end of the turn); blanks that the template puts after it are not.
 */
export function chatExample(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatExampleOptions = {},
): MaskedExample & { text: string } {
  const { text, spans } = answerSpans(template, messages, options);
  const cuts = spans.flatMap(({ begin, end }) => [begin, end]);
  const ids: number[] = [];
  const mask: number[] = [];
  segments(tokenizer, text, cuts).forEach((part, s) => {
    const answer = s % 2 === 1;
    const last = part.findLastIndex((id) => tokenizer.specialIds.has(id));
    const blankAfter = last >= 0 && tokenizer.decode(part.slice(last + 1)).trim() === '';
    const learned = !answer ? 0 : blankAfter ? last + 1 : part.length;
    part.forEach((id, i) => {
      ids.push(id);
      mask.push(i < learned ? 1 : 0);
    });
  });
  const drop = Math.max(0, ids.length - (options.maxLength ?? Number.POSITIVE_INFINITY));
  return {
    text,
    ids: ids.slice(drop),
    mask: mask.slice(drop),
    truncated: drop === 0 ? 'none' : mask.slice(0, drop).includes(1) ? 'response' : 'prompt',
  };
}

/**
 * The ids of the text, cut at the given places: of the whole where no token straddles a cut, else each part encoded
 * by itself, as generation would have done.
 */
function segments(tokenizer: Tokenizer, text: string, cuts: readonly number[]): number[][] {
  const encode = (part: string): number[] => tokenizer.encode(part, { addSpecial: false });
  const whole = encode(text);
  const counts = cuts.map((cut) => {
    const prefix = encode(text.slice(0, cut));
    return prefix.every((id, i) => id === whole[i]) ? prefix.length : -1;
  });
  const places = [0, ...cuts, text.length];
  if (counts.includes(-1)) return places.slice(1).map((to, i) => encode(text.slice(places[i], to)));
  const at = [0, ...counts, whole.length];
  return at.slice(1).map((to, i) => whole.slice(at[i], to));
}

function commonPrefix(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}
