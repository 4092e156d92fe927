import { randomUUID } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { createStreamDecoder } from '../data/tokenizer/stream.ts';
import { jsonConstraint } from '../generate/constraint.ts';
import {
  type Constraint,
  type GenerateOptions,
  type Generation,
  generate,
  type Scored,
  scoreTokens,
} from '../generate/generate.ts';
import { DecantError } from '../util/errors.ts';
import { read, type ServeEnv } from './serve.ts';
import type { LanguageModel } from './served-model.ts';
import { encodePrompt } from './write-texts.ts';

const sampling = {
  model: z.string().optional(),
  max_tokens: z.int().positive().optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().gt(0).max(1).optional(),
  top_k: z.int().nonnegative().optional(),
  min_p: z.number().min(0).max(1).optional(),
  n: z.int().positive().max(64).optional(),
  seed: z.int().optional(),
  stop: z.union([z.string(), z.array(z.string()).max(16)]).nullish(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  repetition_penalty: z.number().positive().optional(),
  stream: z.boolean().optional(),
  user: z.string().optional(),
};
const completionBody = z.object({
  ...sampling,
  // 0: only what the prompt itself is worth, with echo and logprobs
  max_tokens: z.int().nonnegative().optional(),
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(64)]),
  logprobs: z.int().min(0).max(100).nullish(),
  echo: z.boolean().optional(),
});
const chatBody = z.object({
  ...sampling,
  messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
  max_completion_tokens: z.int().positive().optional(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(100).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('text') }),
      z.object({ type: z.literal('json_object') }),
      z.object({
        type: z.literal('json_schema'),
        json_schema: z.object({ schema: z.record(z.string(), z.unknown()) }),
      }),
    ])
    .nullish(),
});
type Sampling = z.infer<typeof completionBody> | z.infer<typeof chatBody>;

/** OpenAI's completions and chat completions for a language model, with log-probabilities and streaming. */
export function languageRoutes(app: Hono<ServeEnv>, name: string, model: LanguageModel): void {
  const constraintOf = rememberedConstraints(model);
  app.post('/v1/completions', async (c) => {
    const body = await read(c, completionBody);
    const prompts = typeof body.prompt === 'string' ? [body.prompt] : body.prompt;
    const ids = prompts.map((p) => encodePrompt(model, p));
    const options = optionsOf(
      model,
      body,
      body.logprobs ?? undefined,
      Math.max(...ids.map((i) => i.length)),
      body.max_tokens ?? 16,
    );
    if (body.stream)
      return streamed(c, model, ids, options, (text, finish) => ({
        id: '',
        object: 'text_completion',
        model: name,
        choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
      }));
    const answers =
      options.maxTokens === 0
        ? ids.map(() => Array.from({ length: options.samples! }, () => nothing))
        : await generate(model.session, ids, options);
    const scored =
      body.echo && options.logprobs !== undefined
        ? await scoreTokens(model.session, ids, { top: options.logprobs })
        : undefined;
    const choices = answers.flatMap((samples, p) =>
      samples.map((g, s) => ({
        index: p * samples.length + s,
        text: `${body.echo ? prompts[p] : ''}${g.text}`,
        logprobs: g.top ? completionLogprobs(model, g, scored && { ids: ids[p], ...scored[p] }) : null,
        finish_reason: g.finish === 'length' ? 'length' : 'stop',
      })),
    );
    return c.json({
      id: `cmpl-${randomUUID()}`,
      object: 'text_completion',
      created: now(),
      model: name,
      choices,
      usage: usage(ids, answers),
    });
  });

  app.post('/v1/chat/completions', async (c) => {
    const body = await read(c, chatBody);
    if (!model.chat)
      throw new DecantError('usage', 'this model has no chat template', {
        fix: 'use /v1/completions, or serve it with --plain-chat',
      });
    const prompt = encodePrompt(model, model.chat(body.messages), model.plainChat ?? false);
    const top = body.logprobs ? (body.top_logprobs ?? 0) : undefined;
    const options = {
      ...optionsOf(model, body, top, prompt.length, body.max_completion_tokens ?? body.max_tokens ?? 128),
      constraint: constraintOf(body.response_format),
    };
    if (body.stream) {
      return streamed(c, model, [prompt], options, (text, finish) => ({
        id: '',
        object: 'chat.completion.chunk',
        model: name,
        choices: [{ index: 0, delta: text ? { content: text } : {}, finish_reason: finish }],
      }));
    }
    const [samples] = await generate(model.session, [prompt], options);
    const choices = samples.map((g, index) => ({
      index,
      message: { role: 'assistant', content: g.text ?? '' },
      logprobs: top === undefined ? null : { content: chatLogprobs(model, g) },
      finish_reason: g.finish === 'length' ? 'length' : 'stop',
    }));
    return c.json({
      id: `chatcmpl-${randomUUID()}`,
      object: 'chat.completion',
      created: now(),
      model: name,
      choices,
      usage: usage([prompt], [samples]),
    });
  });
}

/** Constraints by their schema, the newest few: a labelling run sends the same one with every request. */
function rememberedConstraints(model: LanguageModel) {
  const known = new Map<string, Constraint>();
  return (format: z.infer<typeof chatBody>['response_format']): Constraint | undefined => {
    if (!format || format.type === 'text') return undefined;
    const schema = format.type === 'json_object' ? { type: 'object' as const } : format.json_schema.schema;
    const key = JSON.stringify(schema);
    const constraint = known.get(key) ?? jsonConstraint(schema, model.tokenizer);
    known.delete(key);
    known.set(key, constraint);
    if (known.size > 16) known.delete(known.keys().next().value!);
    return constraint;
  };
}

const nothing: Generation = { ids: [], logp: [], top: [], text: '', finish: 'length' };

const now = (): number => Math.floor(Date.now() / 1000);

function optionsOf(
  model: LanguageModel,
  body: Sampling,
  logprobs: number | undefined,
  promptLength: number,
  maxTokens: number,
): GenerateOptions {
  const room = model.maxLength - promptLength;
  if (room < Math.min(1, maxTokens))
    throw new DecantError('usage', 'the prompt is longer than the model takes', {
      seen: `${promptLength} tokens`,
      allowed: `up to ${model.maxLength - 1}`,
    });
  const stop = body.stop == null ? [] : typeof body.stop === 'string' ? [body.stop] : body.stop;
  return {
    maxTokens: Math.min(maxTokens, room),
    temperature: body.temperature ?? 1,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    samples: body.n ?? 1,
    seed: body.seed ?? randomUUID(),
    stop,
    frequencyPenalty: body.frequency_penalty,
    presencePenalty: body.presence_penalty,
    repetitionPenalty: body.repetition_penalty,
    // the token itself is always among what is reported
    logprobs: logprobs === undefined ? undefined : Math.max(1, logprobs),
    eos: model.eos,
    decoder: { decode: (ids) => model.tokenizer.decode([...ids], { skipSpecial: true }) },
  };
}

const usage = (prompts: readonly (readonly number[])[], answers: readonly (readonly Generation[])[]) => {
  const prompt_tokens = prompts.reduce((n, p) => n + p.length, 0);
  const completion_tokens = answers.flat().reduce((n, g) => n + g.ids.length, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
};

const tokenText = (model: LanguageModel, id: number): string =>
  new TextDecoder().decode(model.tokenizer.tokenBytes(id)) || (model.tokenizer.token(id) ?? '');

/** The answer's tokens; with echo the prompt's before them, the first of which has no log-probability. */
function completionLogprobs(
  model: LanguageModel,
  g: Generation,
  prompt?: Scored & { ids: readonly number[] },
) {
  let offset = 0;
  const tokens = [...(prompt?.ids ?? []), ...g.ids].map((id) => tokenText(model, id));
  const before = prompt ? [null, ...prompt.logp] : [];
  const topBefore = prompt ? [null, ...prompt.top!] : [];
  return {
    tokens,
    token_logprobs: [...before, ...g.logp],
    top_logprobs: [...topBefore, ...g.top!].map(
      (t) => t && Object.fromEntries(t.ids.map((id, i) => [tokenText(model, id), t.logp[i]])),
    ),
    text_offset: tokens.map((t) => {
      const at = offset;
      offset += t.length;
      return at;
    }),
  };
}

const chatLogprobs = (model: LanguageModel, g: Generation) => {
  const entry = (id: number, logprob: number) => ({
    token: tokenText(model, id),
    logprob,
    bytes: [...model.tokenizer.tokenBytes(id)],
  });
  return g.ids.map((id, i) => ({
    ...entry(id, g.logp[i]),
    top_logprobs: g.top![i].ids.map((t, k) => entry(t, g.top![i].logp[k])),
  }));
};

/** One answer as server-sent events, ended by [DONE]; a client that goes away ends the generation. */
function streamed(
  c: Context<ServeEnv>,
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
  chunk: (text: string, finish: string | null) => Record<string, unknown>,
): Response {
  if (prompts.length !== 1 || (options.samples ?? 1) !== 1)
    throw new DecantError('usage', 'a stream carries one answer', { allowed: 'one prompt and n = 1' });
  const id = `stream-${randomUUID()}`;
  const created = now();
  let ended: () => void = () => {};
  c.set('streaming', new Promise<void>((done) => (ended = done)));
  const write = async (stream: SSEStreamingApi): Promise<void> => {
    const decoder = createStreamDecoder(model.tokenizer, { skipSpecial: true });
    let pending: Promise<void> = Promise.resolve();
    const send = (text: string, finish: string | null): void => {
      if (text === '' && finish === null) return;
      const data = JSON.stringify({ ...chunk(text, finish), id, created });
      pending = pending.then(() => stream.writeSSE({ data }));
    };
    // with stop strings text is held back until it cannot be the beginning of one
    let held = '';
    const longest = Math.max(0, ...(options.stop ?? []).map((s) => s.length - 1));
    const [[answer]] = await generate(model.session, prompts, {
      ...options,
      onToken: (_p, _s, token) => {
        held += decoder.push(token);
        const hit = (options.stop ?? []).some((s) => held.includes(s));
        if (!hit && held.length > longest) {
          send(held.slice(0, held.length - longest), null);
          held = held.slice(held.length - longest);
        }
        return !stream.aborted;
      },
    });
    held += decoder.finish();
    const cut = Math.min(
      held.length,
      ...(options.stop ?? []).map((s) => held.indexOf(s)).filter((i) => i >= 0),
    );
    send(held.slice(0, cut), null);
    send('', answer.finish === 'length' ? 'length' : 'stop');
    await pending;
    await stream.writeSSE({ data: '[DONE]' });
  };
  return streamSSE(
    c,
    (stream) => write(stream).finally(ended),
    async (_error, stream) => {
      const message = 'something went wrong inside the server';
      await stream.writeSSE({ data: JSON.stringify({ error: { message, type: 'server_error' } }) });
    },
  );
}
