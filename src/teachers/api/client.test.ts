import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readJsonl } from '../../util/node/jsonl.ts';
import { probe, probeEmbeddings } from './capabilities.ts';
import { apiClassifier } from './classify.ts';
import { chatQuestion, embeddingQuestion } from './dialect.ts';
import { endpointOf } from './endpoint.ts';
import { openLedger } from './ledger.ts';
import { mapOrdered } from './ordered.ts';
import { costOf, priceOf, readPrices } from './prices.ts';
import { classes, everything, KEY, session, textsOf } from './testing/fault-run.ts';
import { startServer, type TestServer, type TestServerOptions, trueClass } from './testing/server.ts';

let folder: string;
let server: TestServer;
const start = async (options: TestServerOptions = {}): Promise<void> => {
  server = await startServer({ key: KEY, ...options });
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'decant-api-'));
});
afterEach(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});
const hello = (content: string) =>
  chatQuestion([{ role: 'user', content }], { model: 'tiny', temperature: 0, maxTokens: 8 });

describe('the client', () => {
  it('asks equal questions once, also in flight and in later sessions', async () => {
    await start();
    const one = await session(folder, server.baseURL);
    const answers = await Promise.all([1, 2, 3].map(() => one.client.ask(hello('hi'))));
    expect(answers.map((a) => a.ok && a.value.text)).toEqual(Array(3).fill(trueClass('hi', ['red', 'blue'])));
    await one.close();
    const two = await session(folder, server.baseURL);
    expect(await two.client.ask(hello('hi'))).toMatchObject({ ok: true, fromStore: true });
    expect(await two.client.ask(hello('ho'))).toMatchObject({ ok: true, fromStore: false });
    await two.close();
    expect(server.requests).toBe(2);
  });

  it('declares what the endpoint can do, and looks only once', async () => {
    await start();
    const one = await session(folder, server.baseURL);
    const seen = await probe(one.client);
    expect(seen).toEqual({ chat: true, completions: false, topk: 2, schema: 'json_schema' });
    expect(await probeEmbeddings(one.client)).toBe(3);
    const before = server.requests;
    expect(await probe(one.client, 5)).toEqual(seen);
    expect(server.requests).toBe(before);
    await one.close();
    await server.close();
    await start({ logprobs: false, schema: false });
    const two = await session(join(folder, 'other'), server.baseURL);
    expect(await probe(two.client)).toEqual({ chat: true, completions: false, topk: 0, schema: 'none' });
    await two.close();
  });

  it('returns embeddings in the order of the texts', async () => {
    await start();
    const { client, close } = await session(folder, server.baseURL);
    const both = await client.ask(embeddingQuestion(['a', 'b'], { model: 'tiny' }));
    const only = await client.ask(embeddingQuestion(['b'], { model: 'tiny' }));
    expect(both.ok && both.value[1]).toEqual(only.ok && only.value[0]);
    await close();
  });

  it('stops at once when the key is refused, and never shows it', async () => {
    await start({ key: 'sk-another-key-00000000' });
    const { client, close } = await session(folder, server.baseURL);
    const error = await client.ask(hello('hi')).catch((e) => e);
    expect(error.code).toBe('teacher');
    expect(error.message).toMatch(/refuses every request[\s\S]*Incorrect API key/);
    await expect(client.ask(hello('again'))).rejects.toThrow(/refuses/);
    expect(server.requests).toBe(1);
    await close();
    const all = everything(folder) + error.stack + JSON.stringify(error) + JSON.stringify(client);
    expect(all).not.toContain(KEY);
    expect(all).not.toContain(KEY.slice(3, 20));
  });

  it('keeps the key out of stored answers that quote it', async () => {
    await start();
    const { client, close } = await session(folder, server.baseURL);
    await client.put(hello('x'), JSON.stringify({ choices: [{ message: { content: `it is ${KEY}` } }] }));
    await close();
    expect(everything(folder)).toContain('it is');
    expect(everything(folder)).not.toContain(KEY);
  });

  it('gives up on a teacher that never answers what it is asked, and not on one that sometimes does', async () => {
    await start();
    const { client, close } = await session(folder, server.baseURL);
    // answers are red or blue
    const named = (i: number, wanted: RegExp) => ({
      ...hello(`question ${i}`),
      read: (json: unknown) => {
        const [{ message }] = (json as { choices: { message: { content: string } }[] }).choices;
        return wanted.test(message.content) ? message.content : { unusable: 'not of the list' };
      },
    });
    for (let i = 0; i < 60; i++) await client.ask(named(i, /red/));
    let failed: Error | undefined;
    let n = 0;
    while (!failed && n < 40) await client.ask(named(100 + n++, /green/)).catch((e) => (failed = e));
    expect(n).toBeLessThanOrEqual(20);
    expect(failed!.message).toMatch(
      /in a row can be used: not of the list[\s\S]*(red|blue)[\s\S]*teacher.prompt/,
    );
    await close();
  });

  it('gives up on an endpoint that is gone', async () => {
    await start();
    const { baseURL } = server;
    await server.close();
    const { client, ledger, close } = await session(folder, baseURL, { retries: 1 });
    const results = await Promise.allSettled([...'abcdefgh'].map((c) => client.ask(hello(c))));
    expect(results.some((r) => r.status === 'rejected' && /does not answer/.test(r.reason.message))).toBe(
      true,
    );
    expect(ledger.totals()).toMatchObject({ paid: 0, lost: 0, tokens: 0 });
    await close();
  });
});

describe('the classifier', () => {
  const wide = { chat: true, completions: false, topk: 5, schema: 'json_schema' } as const;

  it('turns log-probabilities into probabilities', async () => {
    await start();
    const { client, close } = await session(folder, server.baseURL);
    const teacher = apiClassifier(client, wide, { classes });
    const [example] = textsOf(1);
    const { data } = await teacher.logits!([example]);
    const right = classes.indexOf(trueClass(example.text!, classes));
    // the server names its class with 2/3 and shares the rest equally
    Array.from(data as Float32Array, Math.exp).forEach((p, c) => {
      expect(p).toBeCloseTo(c === right ? 2 / 3 : 1 / 12, 5);
    });
    await close();
  });

  it('has another identity for another question', async () => {
    await start();
    const { client, close } = await session(folder, server.baseURL);
    const ids = [
      apiClassifier(client, wide, { classes }),
      apiClassifier(client, wide, { classes: [...classes].reverse() }),
      apiClassifier(client, wide, { classes, prompt: 'Which of {classes}? {text}' }),
      apiClassifier(client, { ...wide, topk: 0 }, { classes }),
    ].map((t) => t.id);
    expect(new Set(ids).size).toBe(4);
    await close();
  });
});

describe('the budget', () => {
  const ask = async (budget: { tokens?: number; money?: number }, concurrency: number) => {
    const run = await session(folder, server.baseURL, {
      concurrency,
      ledgerOptions: { budget, price: { input: 1, output: 2 } },
    });
    const error = await (async () => {
      for await (const _ of mapOrdered(textsOf(200), 64, (e) => run.client.ask(hello(e.text!))));
    })().catch((e) => e);
    const totals = run.ledger.totals();
    await run.close();
    return { error, totals };
  };

  it('is kept in tokens, also over several sessions, and everything paid is kept', async () => {
    await start();
    const first = await ask({ tokens: 600 }, 8);
    expect(first.error.code).toBe('budget');
    expect(first.totals.paid).toBeGreaterThan(10);
    expect(first.totals.tokens).toBeLessThanOrEqual(600);
    expect(server.tokens).toBeLessThanOrEqual(600);
    const second = await ask({ tokens: 600 }, 8);
    expect(second.error.code).toBe('budget');
    expect(second.totals.tokens).toBeLessThanOrEqual(600);
    const third = await ask({}, 8);
    expect(third.error).toBeUndefined();
    expect(server.requests).toBe(200);
  });

  it('is kept in money', async () => {
    await start();
    const { error, totals } = await ask({ money: 0.0005 }, 4);
    expect(error.message).toMatch(/teacher.budget.money[\s\S]*allowed: 0.0005 USD/);
    expect(totals.money).toBeGreaterThan(0.0003);
    expect(totals.money).toBeLessThanOrEqual(0.0005);
  });

  it('books requests that a killed process left open as possibly paid', () => {
    const path = join(folder, 'ledger.jsonl');
    const before = openLedger(path, { price: { input: 1, output: 1 } });
    before.paid(before.ask('k1', 'm', { input: 10, output: 5 }), { input: 9, output: 1 });
    before.ask('k2', 'm', { input: 10, output: 5 }); // and then the process dies
    const after = openLedger(path, { price: { input: 1, output: 1 } });
    expect(after.totals()).toMatchObject({ requests: 2, paid: 1, lost: 1, tokens: 25, lostTokens: 15 });
    after.close();
    expect(readJsonl(path).values.at(-1)).toMatchObject({ t: 'lost', possiblyPaid: true });
  });
});

describe('prices', () => {
  it('reads YAML, finds families, and counts cached tokens', () => {
    const path = join(folder, 'prices.yaml');
    writeFileSync(
      path,
      'currency: EUR\nmodels:\n  big: { input: 2, output: 8, cachedInput: 1 }\n  "small-*": { input: 1, output: 2 }\n',
    );
    const prices = readPrices(path);
    expect(costOf(priceOf(prices, 'big'), { input: 1e6, output: 5e5, cachedInput: 5e5 })).toBeCloseTo(5.5);
    expect(priceOf(prices, 'small-2026')).toEqual({ input: 1, output: 2 });
    expect(priceOf(prices, 'other')).toBeUndefined();
    writeFileSync(path, 'models: { big: { input: cheap } }');
    expect(() => readPrices(path)).toThrow(/prices.yaml models.big/);
  });

  it('refuses a budget in money without a price', () => {
    expect(() => openLedger(undefined, { budget: { money: 1 } })).toThrow(/teacher.prices/);
  });
});

describe('endpointOf', () => {
  it('takes keys from the environment only', () => {
    expect(() => endpointOf({ baseURL: 'https://u:pass-word-1@host/v1' }, {})).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('pass-word-1') }),
    );
    expect(() => endpointOf({ baseURL: 'https://host/v1?key=abc123' }, {})).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('abc123') }),
    );
    expect(() => endpointOf({ provider: 'openai', keyEnv: 'NOPE' }, {})).toThrow(/NOPE/);
    expect(() => endpointOf({ provider: 'nobody' }, {})).toThrow(/allowed: openai-compatible/);
    expect(() => endpointOf({}, {})).toThrow(/teacher.baseURL/);
    const endpoint = endpointOf({ baseURL: 'http://127.0.0.1:1/v1/', keyEnv: 'K' }, { K: KEY });
    expect(endpoint.baseURL).toBe('http://127.0.0.1:1/v1');
    expect(JSON.stringify(endpoint)).not.toContain(KEY);
  });
});
