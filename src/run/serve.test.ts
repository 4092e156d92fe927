import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPredictor } from './predict.ts';
import { createApp, type ServeEnv, type ServeOptions, serveModel } from './serve.ts';
import { openServedModel, type ServedModel } from './served-model.ts';
import { writeTinyClassifier, writeTinyEmbedder, writeTinyLanguageModel } from './testing/tiny-folders.ts';

const root = mkdtempSync(join(tmpdir(), 'decant-serve-'));
const path = (name: string): string => join(root, name);
let classifier: ServedModel;
let language: ServedModel;
let embedder: ServedModel;
beforeAll(async () => {
  await writeTinyClassifier(path('sorter'));
  await writeTinyLanguageModel(path('writer'));
  await writeTinyEmbedder(path('finder'));
  classifier = await openServedModel(path('sorter'));
  language = await openServedModel(path('writer'));
  embedder = await openServedModel(path('finder'));
}, 60_000);
afterAll(async () => {
  for (const model of [classifier, language, embedder]) await model?.close();
  rmSync(root, { recursive: true, force: true });
});

type App = Hono<ServeEnv>;
const post = (app: App, url: string, body: unknown, headers: Record<string, string> = {}) =>
  app.request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
const json = async (r: Response): Promise<any> => r.json();

describe('a served classifier', () => {
  it('answers as the predictor does, one text or many', async () => {
    const app = createApp(classifier);
    const predictor = await openPredictor(path('sorter'));
    const texts = ['my card was declined', 'transfer money'];
    const own = await predictor.predict(texts, { topK: 3 });
    await predictor.close();
    const r = await json(await post(app, '/classify', { input: texts, top_k: 3 }));
    expect(r.classes).toEqual(['card', 'transfer', 'other']);
    expect(r.results).toHaveLength(2);
    r.results.forEach((x: (typeof own)[0], i: number) => {
      expect(x.label).toBe(own[i].label);
      expect(x.top).toHaveLength(3);
      expect(x.top.reduce((s, t) => s + t.score, 0)).toBeCloseTo(1, 5);
      expect(x.score).toBeCloseTo(own[i].score, 5);
    });
    const one = await json(await post(app, '/classify', { input: texts[0] }));
    expect(one.results[0]).toMatchObject({ label: own[0].label });
  });

  it('lists its model, says it is well, and counts', async () => {
    const app = createApp(classifier);
    expect((await json(await app.request('/v1/models'))).data[0]).toMatchObject({
      id: 'sorter',
      object: 'model',
    });
    expect(await json(await app.request('/health'))).toEqual({
      status: 'ok',
      model: 'sorter',
      kind: 'classifier',
    });
    await post(app, '/classify', { input: 'a' });
    await app.request('/nowhere/1');
    await app.request('/nowhere/2');
    const text = await (await app.request('/metrics')).text();
    expect(text).toMatch(/decant_requests_total\{path="\/classify",status="200"\} 1\n/);
    expect(text).toMatch(/decant_requests_total\{path="other",status="404"\} 2\n/);
    expect(text).toMatch(/decant_requests_waiting 0\n/);
  });

  it('refuses with a status and a reason', async () => {
    const app = createApp(classifier, { maxBody: 200 });
    const check = async (r: Response, status: number, says: RegExp) => {
      expect(r.status).toBe(status);
      expect((await json(r)).error.message).toMatch(says);
    };
    await check(await post(app, '/classify', '{"input": '), 400, /not JSON/);
    await check(await post(app, '/classify', { input: [] }), 400, /input/);
    await check(await post(app, '/classify', { texts: 'a' }), 400, /input|texts/);
    await check(await post(app, '/classify', { input: 'x'.repeat(300) }), 413, /larger than 200 bytes/);
    await check(await post(app, '/v1/completions', { prompt: 'a' }), 404, /no POST \/v1\/completions/);
    await check(await app.request('/classify'), 404, /no GET \/classify/);
  });

  it('asks for the key everywhere but at health and metrics', async () => {
    const app = createApp(classifier, { key: 'sesame' });
    expect((await post(app, '/classify', { input: 'a' })).status).toBe(401);
    expect((await post(app, '/classify', { input: 'a' }, { authorization: 'Bearer open' })).status).toBe(401);
    expect((await post(app, '/classify', { input: 'a' }, { authorization: 'Bearer sesame' })).status).toBe(
      200,
    );
    expect((await app.request('/v1/models')).status).toBe(401);
    expect((await app.request('/health')).status).toBe(200);
    expect((await app.request('/metrics')).status).toBe(200);
  });
});

/** A classifier whose answers wait until they are let go. */
function slow(): { model: ServedModel; letGo: () => void; most: () => number } {
  let running = 0;
  let most = 0;
  let letGo: () => void = () => {};
  const gate = new Promise<void>((open) => (letGo = open));
  const predictor = {
    ...classifier.predictor!,
    predict: async () => {
      most = Math.max(most, ++running);
      await gate;
      running--;
      return [{ label: 'card', score: 1, top: [{ label: 'card', score: 1 }] }];
    },
  };
  return {
    model: { ...classifier, predictor, close: async () => {} },
    letGo: () => letGo(),
    most: () => most,
  };
}
const turn = () => new Promise((r) => setTimeout(r, 30));

describe('limits', () => {
  it('works on so many requests at once, lets so many wait, and refuses the rest', async () => {
    const { model, letGo, most } = slow();
    const app = createApp(model, { concurrency: 2, queue: 3 });
    const asked = Array.from({ length: 8 }, () => post(app, '/classify', { input: 'a' }));
    await turn();
    const text = await (await app.request('/metrics')).text();
    expect(text).toMatch(/decant_requests_running 2\n/);
    expect(text).toMatch(/decant_requests_waiting 3\n/);
    letGo();
    const answers = await Promise.all(asked);
    expect(answers.map((r) => r.status).sort()).toEqual([200, 200, 200, 200, 200, 503, 503, 503]);
    expect(answers.find((r) => r.status === 503)!.headers.get('retry-after')).toBe('1');
    expect(most()).toBe(2);
    expect((await post(app, '/classify', { input: 'a' })).status).toBe(200);
  });

  it('holds the place of a streamed answer until it has ended', async () => {
    const app = createApp(language, { concurrency: 1, queue: 0 });
    const body = { prompt: 'my card', max_tokens: 8, temperature: 0, stream: true };
    const first = await post(app, '/v1/completions', body);
    expect(await first.text()).toContain('[DONE]');
    await turn();
    expect((await post(app, '/v1/completions', { ...body, stream: false })).status).toBe(200);
  });
});

describe('a server on a socket', () => {
  const start = (model: ServedModel, options: ServeOptions = {}) =>
    serveModel(model, { port: 0, ...options });

  it('finishes what it began when it is closed, and takes nothing new', async () => {
    const { model, letGo } = slow();
    const server = await start(model);
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const ask = () =>
      fetch(`${server.url}/classify`, { method: 'POST', body: JSON.stringify({ input: 'a' }) });
    const asked = ask();
    await turn();
    const closing = server.close();
    await turn();
    await expect(ask()).rejects.toThrow();
    letGo();
    const answer = await asked;
    expect(answer.status).toBe(200);
    expect((await json(answer)).results[0].label).toBe('card');
    await closing;
  });

  it('says so when the port is taken', async () => {
    const { model } = slow();
    const server = await start(model);
    const port = Number(new URL(server.url).port);
    await expect(start(model, { port })).rejects.toThrow(/cannot listen: EADDRINUSE.*--port/);
    await server.close();
  });
});

describe('a served language model', () => {
  const greedy = { prompt: 'my card', max_tokens: 6, temperature: 0 };
  it('completes prompts, the same each time at temperature 0', async () => {
    const app = createApp(language);
    const r = await json(await post(app, '/v1/completions', { ...greedy, prompt: ['my card', 'where'] }));
    expect(r).toMatchObject({ object: 'text_completion', model: 'writer' });
    expect(r.choices.map((c: { index: number }) => c.index)).toEqual([0, 1]);
    // one token is one character here
    const written = r.choices.reduce((n: number, c: { text: string }) => n + c.text.length, 0);
    expect(written).toBeGreaterThan(0);
    expect(r.usage).toEqual({
      prompt_tokens: 12,
      completion_tokens: written,
      total_tokens: 12 + written,
    });
    const again = await json(await post(app, '/v1/completions', greedy));
    expect(again.choices[0].text).toBe(r.choices[0].text);
    expect(again.choices[0].finish_reason).toBe('length');
  });

  it('draws n samples from a seed', async () => {
    const app = createApp(language);
    const body = { prompt: 'my card', max_tokens: 8, n: 3, seed: 7, temperature: 1.5 };
    const a = await json(await post(app, '/v1/completions', body));
    const b = await json(await post(app, '/v1/completions', body));
    const text = (r: typeof a): string[] => r.choices.map((c: { text: string }) => c.text);
    expect(text(a)).toHaveLength(3);
    expect(text(b)).toEqual(text(a));
    expect(new Set(text(a)).size).toBeGreaterThan(1);
  });

  it('gives log-probabilities, and with echo those of the prompt', async () => {
    const app = createApp(language);
    const plain = (await json(await post(app, '/v1/completions', { ...greedy, logprobs: 3 }))).choices[0];
    expect(plain.logprobs.tokens.join('')).toBe(plain.text);
    plain.logprobs.top_logprobs.forEach((top: Record<string, number>, i: number) => {
      expect(Object.keys(top)).toHaveLength(3);
      // greedy: the chosen token is the likeliest
      expect(plain.logprobs.token_logprobs[i]).toBeCloseTo(Math.max(...Object.values(top)), 5);
      expect(Object.values(top).reduce((s, x) => s + Math.exp(x), 0)).toBeLessThanOrEqual(1.000001);
    });
    const whole = `my card${plain.text}`;
    const echo = (
      await json(
        await post(app, '/v1/completions', { prompt: whole, max_tokens: 0, echo: true, logprobs: 1 }),
      )
    ).choices[0];
    expect(echo.text).toBe(whole);
    expect(echo.logprobs.token_logprobs[0]).toBeNull();
    // scoring the text gives what generating it gave
    const scored: number[] = echo.logprobs.token_logprobs.slice(7);
    expect(scored).toHaveLength(plain.logprobs.tokens.length);
    for (const [i, x] of scored.entries()) expect(x).toBeCloseTo(plain.logprobs.token_logprobs[i], 4);
  });

  it('ends at a stop string, streamed or not', async () => {
    const app = createApp(language);
    const whole = (await json(await post(app, '/v1/completions', { ...greedy, max_tokens: 12 }))).choices[0]
      .text;
    const stop = whole.slice(5, 7);
    const cut = whole.slice(0, whole.indexOf(stop));
    const body = { ...greedy, max_tokens: 12, stop };
    const r = (await json(await post(app, '/v1/completions', body))).choices[0];
    expect(r).toMatchObject({ text: cut, finish_reason: 'stop' });
    const events = await sse(await post(app, '/v1/completions', { ...body, stream: true }));
    expect(events.map((e) => e.choices[0].text).join('')).toBe(cut);
    expect(events.at(-1)!.choices[0].finish_reason).toBe('stop');
  });

  it('streams the text it would have given at once', async () => {
    const app = createApp(language);
    const whole = (await json(await post(app, '/v1/completions', greedy))).choices[0].text;
    const r = await post(app, '/v1/completions', { ...greedy, stream: true });
    expect(r.headers.get('content-type')).toMatch(/text\/event-stream/);
    const events = await sse(r);
    expect(events.length).toBeGreaterThan(2);
    expect(events.map((e) => e.choices[0].text).join('')).toBe(whole);
    expect(new Set(events.map((e) => e.id)).size).toBe(1);
    expect((await post(app, '/v1/completions', { ...greedy, n: 2, stream: true })).status).toBe(400);
  });

  it('answers chats through the template', async () => {
    const app = createApp(language);
    const messages = [{ role: 'user', content: 'my card' }];
    const chat = { messages, max_tokens: 5, temperature: 0, logprobs: true, top_logprobs: 2 };
    const r = await json(await post(app, '/v1/chat/completions', chat));
    const same = await json(
      await post(app, '/v1/completions', {
        prompt: 'user: my card\nassistant:',
        max_tokens: 5,
        temperature: 0,
      }),
    );
    expect(r.object).toBe('chat.completion');
    expect(r.choices[0].message).toEqual({ role: 'assistant', content: same.choices[0].text });
    const [first] = r.choices[0].logprobs.content;
    expect(first.top_logprobs).toHaveLength(2);
    expect(first.top_logprobs[0].logprob).toBeCloseTo(first.logprob, 6);
    expect(Buffer.from(first.bytes).toString()).toBe(first.token);
    const events = await sse(await post(app, '/v1/chat/completions', { ...chat, stream: true }));
    expect(events.map((e) => e.choices[0].delta.content ?? '').join('')).toBe(same.choices[0].text);
  });

  it('keeps an answer inside the schema that is asked for', async () => {
    await writeTinyLanguageModel(path('json'), { alphabet: '{}":_b' });
    const model = await openServedModel(path('json'));
    const app = createApp(model);
    const schema = {
      type: 'object',
      properties: { label: { type: 'string', enum: ['card', 'transfer', 'card_lost'] } },
      required: ['label'],
      additionalProperties: false,
    };
    const found = new Set<string>();
    for (const temperature of [0, 2]) {
      const body = {
        messages: [{ role: 'user', content: 'my card' }],
        ...{ max_tokens: 30, temperature, n: 6, seed: 5, logprobs: true, top_logprobs: 3 },
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      };
      for (const choice of (await json(await post(app, '/v1/chat/completions', body))).choices) {
        const value = JSON.parse(choice.message.content);
        expect(Object.keys(value)).toEqual(['label']);
        expect(schema.properties.label.enum).toContain(value.label);
        found.add(value.label);
      }
    }
    expect(found.size).toBeGreaterThan(1);
    const strange = { type: 'object', patternProperties: {} };
    const refused = await post(app, '/v1/chat/completions', {
      messages: [{ role: 'user', content: 'my card' }],
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: strange } },
    });
    expect(refused.status).toBe(400);
    expect((await json(refused)).error.message).toMatch(/patternProperties/);
    await model.close();
  });

  it('says what it cannot do', async () => {
    await writeTinyLanguageModel(path('plain'), { chat: false });
    const plain = await openServedModel(path('plain'));
    const app = createApp(plain);
    const chat = await post(app, '/v1/chat/completions', { messages: [{ role: 'user', content: 'a' }] });
    expect(chat.status).toBe(400);
    expect((await json(chat)).error.message).toMatch(/no chat template/);
    // unless the last user message is to be the prompt
    const opened = await openServedModel(path('plain'), { plainChat: true });
    const asked = { temperature: 0, max_tokens: 6 };
    const messages = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'where is' },
    ];
    const said = await json(await post(createApp(opened), '/v1/chat/completions', { messages, ...asked }));
    const wrote = await json(
      await post(createApp(opened), '/v1/completions', { prompt: 'where is', ...asked }),
    );
    expect(said.choices[0].message.content).toBe(wrote.choices[0].text);
    await opened.close();
    const long = await post(app, '/v1/completions', { prompt: 'a'.repeat(64) });
    expect(long.status).toBe(400);
    expect((await json(long)).error.message).toMatch(/longer than the model takes; seen: "64 tokens"/);
    const wild = await post(app, '/v1/completions', { prompt: 'a', temperature: 9 });
    expect((await json(wild)).error.message).toMatch(/temperature/);
    await plain.close();
  });
});

describe('a served sentence encoder', () => {
  it('gives vectors of length 1 that do not depend on what else is asked', async () => {
    const app = createApp(embedder);
    const input = ['my card was declined', 'transfer'];
    const r = await json(await post(app, '/v1/embeddings', { input }));
    expect(r.data.map((d: { index: number }) => d.index)).toEqual([0, 1]);
    for (const d of r.data) {
      expect(d.embedding).toHaveLength(16);
      expect(d.embedding.reduce((s: number, x: number) => s + x * x, 0)).toBeCloseTo(1, 5);
    }
    const alone = await json(
      await post(app, '/v1/embeddings', { input: 'transfer', encoding_format: 'base64' }),
    );
    const bytes = Buffer.from(alone.data[0].embedding, 'base64');
    expect(bytes).toHaveLength(64);
    expect(bytes.readFloatLE(0)).toBeCloseTo(r.data[1].embedding[0], 5);
    expect(r.usage.prompt_tokens).toBeGreaterThan(4);
  });
});

interface Event {
  id: string;
  choices: { text: string; delta: { content?: string }; finish_reason: string | null }[];
}

async function sse(r: Response): Promise<Event[]> {
  const lines = (await r.text()).split('\n').filter((l) => l.startsWith('data: '));
  expect(lines.pop()).toBe('data: [DONE]');
  return lines.map((l) => JSON.parse(l.slice(6)));
}
