import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiClassifier, probe } from '../teachers/api/index.ts';
import { session, textsOf } from '../teachers/api/testing/fault-run.ts';
import { createApp, type RunningServer, serveModel } from './serve.ts';
import { openServedModel, type ServedModel } from './served-model.ts';
import { writeTinyClassifier } from './testing/tiny-folders.ts';

const root = mkdtempSync(join(tmpdir(), 'decant-serve-classifier-'));
const labels = ['card', 'card lost', 'transfer', 'say "hi"'];
let model: ServedModel;
let server: RunningServer;
beforeAll(async () => {
  await writeTinyClassifier(join(root, 'sorter'), labels);
  model = await openServedModel(join(root, 'sorter'));
  server = await serveModel(model, { port: 0 });
}, 60_000);
afterAll(async () => {
  await server?.close();
  rmSync(root, { recursive: true, force: true });
});

const chat = async (body: object): Promise<Response> =>
  createApp(model).request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      messages: [{ role: 'user', content: 'my card was declined' }],
      temperature: 0,
      ...body,
    }),
  });
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
const json = async (r: Response): Promise<any> => r.json();
const schema = (names: readonly string[], member = 'label') => ({
  type: 'json_schema',
  json_schema: {
    name: 'x',
    strict: true,
    schema: { type: 'object', properties: { [member]: { type: 'string', enum: names } }, required: [member] },
  },
});

describe('a classifier that is asked in a chat', () => {
  it('names the class that it would predict, plain or in the schema', async () => {
    const [own] = await model.predictor!.predict(['my card was declined'], { topK: 4 });
    const plain = await json(await chat({}));
    expect(plain.choices[0].message).toEqual({ role: 'assistant', content: own.label });
    expect(plain.usage.prompt_tokens).toBeGreaterThan(3);
    const shaped = await json(
      await chat({ response_format: schema(labels, 'intent'), logprobs: true, top_logprobs: 20 }),
    );
    const [choice] = shaped.choices;
    expect(JSON.parse(choice.message.content)).toEqual({ intent: own.label });
    expect(choice.logprobs.content.map((t: { token: string }) => t.token).join('')).toBe(
      choice.message.content,
    );
    const { top_logprobs: top } = choice.logprobs.content.at(-1);
    top.forEach((t: { token: string; logprob: number }, i: number) => {
      expect(t.token).toBe(`${JSON.stringify(own.top[i].label)}}`);
      expect(Math.exp(t.logprob)).toBeCloseTo(own.top[i].score, 5);
    });
  });

  it('leaves out classes that the schema leaves out, and refuses names it does not know', async () => {
    const asked = { response_format: schema(['transfer', 'card lost']), logprobs: true, top_logprobs: 5 };
    const [choice] = (await json(await chat(asked))).choices;
    const { top_logprobs: top } = choice.logprobs.content.at(-1);
    expect(top).toHaveLength(2);
    expect(top.reduce((s: number, t: { logprob: number }) => s + Math.exp(t.logprob), 0)).toBeCloseTo(1, 6);
    const wrong = await chat({ response_format: schema(['transfer', 'weather']) });
    expect(wrong.status).toBe(400);
    expect((await json(wrong)).error.message).toMatch(/weather.*allowed: card, card lost/s);
    const wide = await chat({
      response_format: { type: 'json_schema', json_schema: { schema: { properties: { a: {}, b: {} } } } },
    });
    expect((await json(wide)).error.message).toMatch(/one member, an enum/);
  });

  it('draws by temperature and seed, and streams', async () => {
    const body = { temperature: 2, n: 40, seed: 3 };
    const texts = async (): Promise<string[]> =>
      (await json(await chat(body))).choices.map((c: { message: { content: string } }) => c.message.content);
    const drawn = await texts();
    expect(await texts()).toEqual(drawn);
    expect(new Set(drawn).size).toBeGreaterThan(1);
    const whole = (await json(await chat({ response_format: { type: 'json_object' } }))).choices[0].message;
    const lines = (await (await chat({ response_format: { type: 'json_object' }, stream: true })).text())
      .split('\n')
      .filter((l) => l.startsWith('data: '));
    expect(lines.pop()).toBe('data: [DONE]');
    const said = lines.map((l) => JSON.parse(l.slice(6)).choices[0].delta.content ?? '').join('');
    expect(said).toBe(whole.content);
  });

  it('teaches over HTTP: the API teacher reads its own probabilities back', async () => {
    const folder = join(root, 'labels');
    const { client, close } = await session(folder, `${server.url}/v1`, { timeout: 30 });
    const seen = await probe(client, 20, labels);
    expect(seen).toEqual({ chat: true, completions: false, topk: 4, schema: 'json_schema' });
    const examples = textsOf(12);
    const read = await apiClassifier(client, seen, { classes: labels }).logits!(examples);
    const own = await model.predictor!.predict(examples, { topK: 4 });
    own.forEach((o, r) => {
      for (const { label, score } of o.top)
        expect(Math.exp((read.data as Float32Array)[r * 4 + labels.indexOf(label)])).toBeCloseTo(score, 4);
    });
    // of the two likeliest only: the rest is shared by those that are left
    const two = await apiClassifier(client, { ...seen, topk: 2 }, { classes: labels }).logits!(examples);
    own.forEach((o, r) => {
      const p = labels.map((_, c) => Math.exp((two.data as Float32Array)[r * 4 + c]));
      expect(p.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
      expect(p[labels.indexOf(o.top[1].label)]).toBeCloseTo(o.top[1].score, 4);
      const rest = (o.top[2].score + o.top[3].score) / 2;
      expect(p[labels.indexOf(o.top[3].label)]).toBeCloseTo(rest, 4);
    });
    await close();
  });
});
