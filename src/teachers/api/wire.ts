/** A request as it goes over the wire. */
export interface WireRequest {
  path: string;
  body: Readonly<Record<string, unknown>>;
}

/**
 * How a provider's own interface differs from OpenAI's. Questions are written, hashed and read in OpenAI's form; a dialect
 * translates them on their way. What is stored is the provider's answer as it came.
 */
export interface Dialect {
  readonly name: DialectName;
  /** Headers of every request, the key among them. */
  headers(key: string | undefined): Record<string, string>;
  /** The request, or why this provider cannot be asked it. */
  request(path: string, body: Readonly<Record<string, unknown>>): WireRequest | { cannot: string };
  /** An answer in OpenAI's form. */
  answer(path: string, json: unknown): unknown;
}

export type DialectName = 'openai' | 'anthropic' | 'gemini';

interface ChatBody {
  model: string;
  messages: { role: string; content: string }[];
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  stop?: string[];
  seed?: number;
  logprobs?: boolean;
  top_logprobs?: number;
  response_format?: { type: string; json_schema?: { name: string; schema: Record<string, unknown> } };
}

const bearer = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key}` };

const openai: Dialect = {
  name: 'openai',
  headers: bearer,
  request: (path, body) => ({ path, body }),
  answer: (_path, json) => json,
};

/** Longest answer where the question names none: this interface asks for a number. */
const ANTHROPIC_TOKENS = 1024;

/** Anthropic's Messages: a schema becomes the input of a tool that must be used; there are no log-probabilities. */
const anthropic: Dialect = {
  name: 'anthropic',
  headers: (key) => ({
    'anthropic-version': '2023-06-01',
    ...(key === undefined ? {} : { 'x-api-key': key }),
  }),
  request(path, body) {
    if (path !== 'chat/completions') return { cannot: `this provider has no ${path}` };
    const b = body as unknown as ChatBody;
    if (b.logprobs) return { cannot: 'this provider gives no log-probabilities' };
    const schema = b.response_format?.json_schema;
    if (b.response_format && !schema) return { cannot: 'this provider knows no json_object' };
    const system = b.messages.filter((m) => m.role === 'system').map((m) => m.content);
    return {
      path: 'messages',
      body: defined({
        model: b.model,
        max_tokens: b.max_tokens ?? ANTHROPIC_TOKENS,
        system: system.length > 0 ? system.join('\n\n') : undefined,
        messages: b.messages.filter((m) => m.role !== 'system'),
        temperature: b.temperature === undefined ? undefined : Math.min(1, b.temperature),
        top_p: b.top_p,
        stop_sequences: b.stop,
        tools: schema && [{ name: schema.name, input_schema: schema.schema }],
        tool_choice: schema && { type: 'tool', name: schema.name },
      }),
    };
  },
  answer(_path, json) {
    const a = json as {
      content?: { type: string; text?: string; input?: unknown }[];
      stop_reason?: string;
      usage?: {
        input_tokens: number;
        output_tokens: number;
        cache_read_input_tokens?: number | null;
        cache_creation_input_tokens?: number | null;
      };
    };
    if (!Array.isArray(a.content)) return json;
    const tool = a.content.find((c) => c.type === 'tool_use');
    const text = a.content.map((c) => c.text ?? '').join('');
    const cached = a.usage?.cache_read_input_tokens ?? 0;
    return {
      choices: [
        {
          message: { content: tool ? JSON.stringify(tool.input) : text },
          finish_reason: a.stop_reason === 'max_tokens' ? 'length' : 'stop',
        },
      ],
      usage: a.usage && {
        // what was read from a cache or written to one is counted apart
        prompt_tokens: a.usage.input_tokens + cached + (a.usage.cache_creation_input_tokens ?? 0),
        completion_tokens: a.usage.output_tokens,
        prompt_tokens_details: { cached_tokens: cached },
      },
    };
  },
};

interface GeminiToken {
  token: string;
  logProbability: number;
}

/** Google's generateContent: schemas and log-probabilities are members of generationConfig. */
const gemini: Dialect = {
  name: 'gemini',
  headers: (key): Record<string, string> => (key === undefined ? {} : { 'x-goog-api-key': key }),
  request(path, body) {
    if (path === 'embeddings') {
      const { model, input, dimensions } = body as { model: string; input: string[]; dimensions?: number };
      const requests = input.map((text) =>
        defined({
          model: `models/${model}`,
          content: { parts: [{ text }] },
          outputDimensionality: dimensions,
        }),
      );
      return { path: `models/${encodeURIComponent(model)}:batchEmbedContents`, body: { requests } };
    }
    if (path !== 'chat/completions') return { cannot: `this provider has no ${path}` };
    const b = body as unknown as ChatBody;
    const system = b.messages.filter((m) => m.role === 'system').map((m) => ({ text: m.content }));
    const schema = b.response_format?.json_schema?.schema;
    return {
      path: `models/${encodeURIComponent(b.model)}:generateContent`,
      body: defined({
        systemInstruction: system.length > 0 ? { parts: system } : undefined,
        contents: b.messages
          .filter((m) => m.role !== 'system')
          .map((m) => ({ role: m.role === 'assistant' ? 'model' : 'user', parts: [{ text: m.content }] })),
        generationConfig: defined({
          temperature: b.temperature,
          topP: b.top_p,
          maxOutputTokens: b.max_tokens,
          stopSequences: b.stop,
          seed: b.seed,
          responseMimeType: b.response_format ? 'application/json' : undefined,
          responseJsonSchema: schema,
          responseLogprobs: b.logprobs,
          logprobs: b.top_logprobs,
        }),
      }),
    };
  },
  answer(path, json) {
    if (path === 'embeddings') {
      const { embeddings } = json as { embeddings?: { values: number[] }[] };
      return embeddings ? { data: embeddings.map((e, index) => ({ index, embedding: e.values })) } : json;
    }
    const a = json as {
      candidates?: {
        content?: { parts?: { text?: string; thought?: boolean }[] };
        finishReason?: string;
        logprobsResult?: {
          chosenCandidates?: GeminiToken[];
          topCandidates?: { candidates: GeminiToken[] }[];
        };
      }[];
      usageMetadata?: {
        promptTokenCount?: number;
        candidatesTokenCount?: number;
        thoughtsTokenCount?: number;
        cachedContentTokenCount?: number;
      };
    };
    if (!Array.isArray(a.candidates)) return json;
    const entry = (t: GeminiToken) => ({ token: t.token, logprob: t.logProbability });
    const usage = a.usageMetadata;
    return {
      choices: a.candidates.map((c) => ({
        message: {
          content: (c.content?.parts ?? []).map((p) => (p.thought ? '' : (p.text ?? ''))).join(''),
        },
        finish_reason: c.finishReason === 'MAX_TOKENS' ? 'length' : 'stop',
        logprobs: c.logprobsResult?.chosenCandidates && {
          content: c.logprobsResult.chosenCandidates.map((t, i) => ({
            ...entry(t),
            top_logprobs: c.logprobsResult!.topCandidates?.[i]?.candidates.map(entry) ?? [],
          })),
        },
      })),
      usage: usage && {
        prompt_tokens: usage.promptTokenCount ?? 0,
        completion_tokens: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
        prompt_tokens_details: { cached_tokens: usage.cachedContentTokenCount ?? 0 },
      },
    };
  },
};

export const dialects: Readonly<Record<DialectName, Dialect>> = { openai, anthropic, gemini };

/** What an endpoint does not take, as its refusals say; each is met by leaving out or renaming one member. */
export type Quirk = 'max_completion_tokens' | 'no temperature' | 'no top_p' | 'no seed' | 'no stop';

/** The quirk that a refusal (status 400 or 422) tells of, so that the question can be asked again without it. */
export function quirkOf(refusal: string, body: Readonly<Record<string, unknown>>): Quirk | undefined {
  const says = (pattern: RegExp): boolean => pattern.test(refusal);
  if ('max_tokens' in body && says(/max_completion_tokens/)) return 'max_completion_tokens';
  // newer models of Anthropic take one of the two
  if ('temperature' in body && 'top_p' in body && says(/cannot both be specified/)) return 'no top_p';
  const unknown = /not support|unsupported|unknown|unrecognized|unexpected|not permitted|extra|deprecated/i;
  if (!says(unknown)) return undefined;
  if ('temperature' in body && says(/\btemperature\b/)) return 'no temperature';
  if ('top_p' in body && says(/\btop_?p\b/i)) return 'no top_p';
  if ('seed' in body && says(/\bseed\b/)) return 'no seed';
  if ('stop' in body && says(/\bstop\b/)) return 'no stop';
  return undefined;
}

/** A body as an endpoint with these quirks takes it. */
export function withQuirks(
  body: Readonly<Record<string, unknown>>,
  quirks: ReadonlySet<Quirk>,
): Readonly<Record<string, unknown>> {
  if (quirks.size === 0) return body;
  const { max_tokens, temperature, top_p, seed, stop, ...rest } = body;
  return defined({
    ...rest,
    ...(quirks.has('max_completion_tokens') ? { max_completion_tokens: max_tokens } : { max_tokens }),
    ...(quirks.has('no temperature') ? {} : { temperature }),
    ...(quirks.has('no top_p') ? {} : { top_p }),
    ...(quirks.has('no seed') ? {} : { seed }),
    ...(quirks.has('no stop') ? {} : { stop }),
  });
}

const defined = (o: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined));
