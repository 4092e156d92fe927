import { randomUUID } from 'node:crypto';
import type { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { DecantError } from '../util/errors.ts';
import { createRng } from '../util/rng.ts';
import type { Predictor } from './predict.ts';
import { read, type ServeEnv } from './serve.ts';

/** What is to be classified or embedded. */
export const texts = z.union([z.string(), z.array(z.string()).min(1).max(2048)], {
  error: 'must be a text, or a list of 1 to 2,048 texts',
});
const classifyBody = z.strictObject({ input: texts, top_k: z.int().positive().max(1000).optional() });
const content = z.union([z.string(), z.array(z.object({ type: z.literal('text'), text: z.string() }))]);
const format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ schema: z.record(z.string(), z.unknown()) }),
  }),
]);
const chatBody = z.object({
  model: z.string().optional(),
  messages: z.array(z.object({ role: z.string(), content })).min(1),
  temperature: z.number().min(0).max(2).optional(),
  seed: z.int().optional(),
  n: z.int().positive().max(64).optional(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(100).nullish(),
  response_format: format.nullish(),
  stream: z.boolean().optional(),
});

/** One token of an answer: text, natural log-probability, the likeliest texts in its place. */
interface SpokenToken {
  token: string;
  logprob: number;
  bytes: number[];
  top_logprobs: { token: string; logprob: number; bytes: number[] }[];
}

/**
 * `/classify`, and chat completions in which the classifier speaks like a language model: the last user message is the
 * text, the answer one class name. The name is one token, with the log-probabilities of the other names as its
 * alternatives. A JSON schema with one enum of class names prescribes the form; names that it leaves out are not in the
 * running, and the probabilities are those among the names that it lists.
 */
export function classifierRoutes(app: Hono<ServeEnv>, name: string, predictor: Predictor): void {
  app.post('/classify', async (c) => {
    const body = await read(c, classifyBody);
    const list = typeof body.input === 'string' ? [body.input] : body.input;
    const found = await predictor.predict(list, { topK: body.top_k ?? 1 });
    return c.json({ model: name, classes: predictor.classes, results: found });
  });
  if (predictor.kind !== 'text') return;
  app.post('/v1/chat/completions', async (c) => {
    const body = await read(c, chatBody);
    const asked = body.messages.findLast((m) => m.role === 'user');
    if (!asked) throw new DecantError('usage', 'there is no user message to classify', { at: 'messages' });
    const text =
      typeof asked.content === 'string' ? asked.content : asked.content.map((p) => p.text).join('\n');
    const form = answerForm(body.response_format ?? { type: 'text' }, predictor.classes);
    const { data } = await predictor.logits([{ file: 'input', line: 1, text }]);
    const logp = logSoftmax(form.indices.map((i) => (data as Float32Array)[i]));
    const rng = createRng(`${body.seed ?? randomUUID()}`);
    const temperature = body.temperature ?? 1;
    const created = Math.floor(Date.now() / 1000);
    const answers = Array.from({ length: body.n ?? 1 }, () =>
      speak(form, logp, choose(logp, temperature, rng.uniform()), body.top_logprobs ?? 0),
    );
    const prompt_tokens = predictor.countTokens(text);
    const completion_tokens = answers.reduce((n, a) => n + a.length, 0);
    const wordsOf = (tokens: readonly SpokenToken[]): string => tokens.map((t) => t.token).join('');
    if (body.stream) {
      if (answers.length > 1)
        throw new DecantError('usage', 'a stream carries one answer', { at: 'n', allowed: '1' });
      const id = `chatcmpl-${randomUUID()}`;
      return streamSSE(c, async (stream) => {
        const send = (delta: object, logprobs: object | null, finish: string | null): Promise<void> =>
          stream.writeSSE({
            data: JSON.stringify({
              id,
              object: 'chat.completion.chunk',
              created,
              model: name,
              choices: [{ index: 0, delta, logprobs, finish_reason: finish }],
            }),
          });
        for (const token of answers[0])
          await send({ content: token.token }, body.logprobs ? { content: [token] } : null, null);
        await send({}, null, 'stop');
        await stream.writeSSE({ data: '[DONE]' });
      });
    }
    return c.json({
      id: `chatcmpl-${randomUUID()}`,
      object: 'chat.completion',
      created,
      model: name,
      choices: answers.map((tokens, index) => ({
        index,
        message: { role: 'assistant', content: wordsOf(tokens) },
        logprobs: body.logprobs ? { content: tokens } : null,
        finish_reason: 'stop',
      })),
      usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
    });
  });
}

interface AnswerForm {
  /** Texts before the class name; the same in every answer. */
  readonly head: string;
  /** The classes in the running, and how each is written up to the end of the answer. */
  readonly indices: readonly number[];
  readonly spellings: readonly string[];
}

function answerForm(asked: z.infer<typeof format>, classes: readonly string[]): AnswerForm {
  const all = classes.map((_, i) => i);
  if (asked.type === 'text') return { head: '', indices: all, spellings: classes };
  const { member, names } =
    asked.type === 'json_object'
      ? { member: 'label', names: classes }
      : enumOf(asked.json_schema.schema, classes);
  return {
    head: `{${JSON.stringify(member)}:`,
    indices: names.map((n) => classes.indexOf(n)),
    // with the end of the object: no name is the beginning of another
    spellings: names.map((n) => `${JSON.stringify(n)}}`),
  };
}

/** The one member of the schema, and the class names that it allows. Errors: `usage` for any other schema. */
function enumOf(
  schema: Readonly<Record<string, unknown>>,
  classes: readonly string[],
): { member: string; names: string[] } {
  const at = 'response_format.json_schema.schema';
  const properties = Object.entries((schema.properties ?? {}) as Record<string, { enum?: unknown }>);
  const [member, { enum: names }] = properties[0] ?? ['', {}];
  if (properties.length !== 1 || !Array.isArray(names) || names.length === 0)
    throw new DecantError('usage', 'a classifier answers with one member, an enum of class names', {
      at,
      seen: Object.keys(schema.properties ?? {}),
      allowed: '{"type": "object", "properties": {"label": {"type": "string", "enum": […]}}}',
    });
  const unknown = names.filter((n) => !classes.includes(n));
  if (unknown.length > 0)
    throw new DecantError('usage', `the classifier does not know ${unknown.length} of the names`, {
      at: `${at}.properties.${member}.enum`,
      seen: unknown.slice(0, 5),
      allowed: classes.length > 20 ? `${classes.slice(0, 20).join(', ')}, …` : classes.join(', '),
    });
  return { member, names: [...new Set(names as string[])] };
}

function speak(form: AnswerForm, logp: Float64Array, chosen: number, top: number): SpokenToken[] {
  const entry = (token: string, logprob: number) => ({ token, logprob, bytes: [...Buffer.from(token)] });
  const order = [...logp.keys()].sort((a, b) => logp[b] - logp[a]);
  const said = {
    ...entry(form.spellings[chosen], logp[chosen]),
    top_logprobs: order.slice(0, top).map((i) => entry(form.spellings[i], logp[i])),
  };
  if (form.head === '') return [said];
  return [{ ...entry(form.head, 0), top_logprobs: top > 0 ? [entry(form.head, 0)] : [] }, said];
}

function logSoftmax(logits: readonly number[]): Float64Array {
  const best = Math.max(...logits);
  const z = best + Math.log(logits.reduce((s, x) => s + Math.exp(x - best), 0));
  return Float64Array.from(logits, (x) => x - z);
}

/** The likeliest class at temperature 0, else a draw. */
function choose(logp: Float64Array, temperature: number, uniform: number): number {
  let best = 0;
  for (let i = 1; i < logp.length; i++) if (logp[i] > logp[best]) best = i;
  if (temperature === 0) return best;
  const weights = logp.map((x) => Math.exp((x - logp[best]) / temperature));
  let left = uniform * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i];
    if (left < 0) return i;
  }
  return best;
}
