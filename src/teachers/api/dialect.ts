import { z } from 'zod';
import { guessTokens, type Usage } from './prices.ts';

/** A request that can be journalled: what is asked, and how its answer is read. */
export interface Question<T> {
  readonly path: 'chat/completions' | 'completions' | 'embeddings';
  /** The body without anything that does not change the answer. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Tokens it may take, guessed before it is sent. */
  readonly estimate: Usage;
  /** Reads a whole answer; `unusable` says why it cannot serve. */
  read(json: unknown): T | Unusable;
}

export interface Unusable {
  unusable: string;
}

export const isUnusable = (x: unknown): x is Unusable =>
  typeof x === 'object' && x !== null && typeof (x as Unusable).unusable === 'string';

/** One token of an answer with its natural log-probability and the most likely tokens in its place. */
export interface AnswerToken extends ListedToken {
  top: ListedToken[];
}

export interface ListedToken {
  token: string;
  logp: number;
  /** What it adds to the text, where the server says so: parts of characters have no text of their own. */
  bytes?: number[];
}

/** What a model wrote. */
export interface WrittenAnswer {
  text: string;
  finish: string | undefined;
  /** Absent where the endpoint gives no log-probabilities. */
  tokens?: AnswerToken[];
  /** The text as JSON, where a schema was asked for. */
  json?: unknown;
}

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface Sampling {
  model: string;
  temperature?: number;
  topP?: number;
  maxTokens?: number;
  seed?: number;
  stop?: string[];
  /** Log-probabilities of so many tokens per position. */
  topLogprobs?: number;
}

/** A JSON schema for the answer, with its check; how the endpoint is told depends on what it understands. */
export interface AnswerSchema {
  name: string;
  schema: Record<string, unknown>;
  /** json_schema: enforced by the server; json_object: JSON of any shape; none: only the prompt says so. */
  mode: 'json_schema' | 'json_object' | 'none';
  /** Why the value does not fit, or undefined. */
  problem(value: unknown): string | undefined;
}

// answers are read leniently: providers add members, leave some out, and write null for others
const usageShape = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number().nullish(),
  prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
});
const tokenShape = z.object({
  token: z.string(),
  logprob: z.number().nullable(),
  bytes: z.array(z.int().min(0).max(255)).nullish().catch(undefined),
});
const chatShape = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z
          .object({
            content: z.array(tokenShape.extend({ top_logprobs: z.array(tokenShape).nullish() })).nullish(),
          })
          .nullish()
          .catch(undefined),
      }),
    )
    .min(1),
});
const completionShape = z.object({
  choices: z
    .array(
      z.object({
        text: z.string(),
        finish_reason: z.string().nullish(),
        logprobs: z
          .object({
            tokens: z.array(z.string()),
            token_logprobs: z.array(z.number().nullable()),
            top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
          })
          .nullish()
          .catch(undefined),
      }),
    )
    .min(1),
});
const embeddingShape = z.object({
  data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()).min(1) })),
});

const issueOf = (error: z.ZodError): Unusable => ({
  unusable: `${error.issues[0].path.join('.') || 'body'}: ${error.issues[0].message}`,
});
const finite = (x: number | null): number => (x === null || !Number.isFinite(x) ? -9999 : x);

const listed = ({ token, logprob, bytes }: z.infer<typeof tokenShape>): ListedToken => ({
  token,
  logp: finite(logprob),
  ...(bytes ? { bytes } : {}),
});

/** Tokens as the server counts them; undefined where it does not say. */
export function usageOf(json: unknown): Usage | undefined {
  const parsed = usageShape.safeParse((json as { usage?: unknown } | null)?.usage);
  if (!parsed.success) return undefined;
  const { prompt_tokens, completion_tokens, prompt_tokens_details } = parsed.data;
  const cached = prompt_tokens_details?.cached_tokens;
  return {
    input: prompt_tokens,
    output: completion_tokens ?? 0,
    ...(cached ? { cachedInput: cached } : {}),
  };
}

/** Tokens of an answer whose length nobody limits. */
const UNLIMITED = 1024;

const samplingBody = (s: Sampling): Record<string, unknown> => ({
  model: s.model,
  temperature: s.temperature,
  top_p: s.topP,
  max_tokens: s.maxTokens,
  seed: s.seed,
  stop: s.stop,
});

/** `POST chat/completions`. */
export function chatQuestion(
  messages: readonly Message[],
  sampling: Sampling,
  schema?: AnswerSchema,
): Question<WrittenAnswer> {
  const format =
    schema?.mode === 'json_schema'
      ? { type: 'json_schema', json_schema: { name: schema.name, strict: true, schema: schema.schema } }
      : schema?.mode === 'json_object'
        ? { type: 'json_object' }
        : undefined;
  const body = defined({
    ...samplingBody(sampling),
    messages,
    response_format: format,
    logprobs: sampling.topLogprobs ? true : undefined,
    top_logprobs: sampling.topLogprobs || undefined,
  });
  const words = messages.reduce((n, m) => n + guessTokens(m.content) + 8, 8);
  const input = words + (schema ? guessTokens(JSON.stringify(schema.schema)) : 0);
  return {
    path: 'chat/completions',
    body,
    estimate: { input, output: sampling.maxTokens ?? UNLIMITED },
    read(json) {
      const parsed = chatShape.safeParse(json);
      if (!parsed.success) return issueOf(parsed.error);
      const [choice] = parsed.data.choices;
      const text = choice.message.content ?? '';
      const content = choice.logprobs?.content;
      const answer: WrittenAnswer = { text, finish: choice.finish_reason ?? undefined };
      if (content?.length)
        answer.tokens = content.map((t) => ({
          ...listed(t),
          top: (t.top_logprobs ?? []).map(listed),
        }));
      return withJson(answer, schema);
    },
  };
}

/** `POST completions`, for models without a chat template. */
export function completionQuestion(prompt: string, sampling: Sampling): Question<WrittenAnswer> {
  return {
    path: 'completions',
    body: defined({ ...samplingBody(sampling), prompt, logprobs: sampling.topLogprobs || undefined }),
    estimate: { input: guessTokens(prompt) + 8, output: sampling.maxTokens ?? UNLIMITED },
    read(json) {
      const parsed = completionShape.safeParse(json);
      if (!parsed.success) return issueOf(parsed.error);
      const [{ text, finish_reason, logprobs }] = parsed.data.choices;
      const answer: WrittenAnswer = { text, finish: finish_reason ?? undefined };
      if (logprobs?.tokens.length)
        answer.tokens = logprobs.tokens.map((token, i) => ({
          token,
          logp: finite(logprobs.token_logprobs[i] ?? null),
          top: Object.entries(logprobs.top_logprobs?.[i] ?? {}).map(([t, logp]) => ({ token: t, logp })),
        }));
      return answer;
    },
  };
}

/** `POST embeddings`: one vector per text, in order. */
export function embeddingQuestion(
  texts: readonly string[],
  settings: { model: string; dimensions?: number },
): Question<Float32Array[]> {
  return {
    path: 'embeddings',
    body: defined({
      model: settings.model,
      input: texts,
      dimensions: settings.dimensions,
      encoding_format: 'float',
    }),
    estimate: { input: texts.reduce((n, t) => n + guessTokens(t), 0), output: 0 },
    read(json) {
      const parsed = embeddingShape.safeParse(json);
      if (!parsed.success) return issueOf(parsed.error);
      const out: Float32Array[] = [];
      for (const { index, embedding } of parsed.data.data) out[index] = Float32Array.from(embedding);
      const width = out[0]?.length;
      if (out.length !== texts.length || !texts.every((_, i) => out[i]?.length === width))
        return {
          unusable: `${parsed.data.data.length} vectors for ${texts.length} texts, or of unequal width`,
        };
      return out;
    },
  };
}

function withJson(answer: WrittenAnswer, schema: AnswerSchema | undefined): WrittenAnswer | Unusable {
  if (!schema) return answer;
  const json = jsonIn(answer.text);
  const problem = json === undefined ? 'the answer is not JSON' : schema.problem(json);
  return problem === undefined ? { ...answer, json } : { unusable: problem };
}

/** The JSON value of a text, also where the model put it into a fenced block or talked around it. */
function jsonIn(text: string): unknown {
  const from = text.indexOf('{');
  const to = text.lastIndexOf('}');
  for (const part of [text, from >= 0 && to > from ? text.slice(from, to + 1) : '']) {
    try {
      return JSON.parse(part);
    } catch {
      // the next part
    }
  }
  return undefined;
}

const defined = (o: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined));
