import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSignalStore } from '../store/index.ts';
import { probe, probeEmbeddings } from './capabilities.ts';
import { apiClassifier } from './classify.ts';
import { createApiClient } from './client.ts';
import { chatQuestion } from './dialect.ts';
import { endpointOf } from './endpoint.ts';
import { openLedger } from './ledger.ts';
import { everything, KEY } from './testing/fault-run.ts';
import { listen, readBody, stop } from './testing/server.ts';
import { apiTextTeacher } from './text.ts';

const classes = ['refund', 'card', 'transfer'];
let folder: string;
let close: (() => Promise<void>)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'decant-wire-'));
  close = [];
});
afterEach(async () => {
  for (const c of close.reverse()) await c();
  rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: bodies are looked into freely
type Handler = (body: any, url: string, headers: IncomingMessage['headers']) => [number, unknown];

async function clientOf(provider: string, handler: Handler) {
  const server = createServer(async (req, res) => {
    const [status, json] = handler(JSON.parse(await readBody(req)), req.url!, req.headers);
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(json));
  });
  const baseURL = await listen(server);
  const store = openSignalStore(join(folder, 'signals'), { write: true });
  const ledger = openLedger(join(folder, 'ledger.jsonl'));
  close.push(
    () => stop(server),
    () => store.close(),
    async () => ledger.close(),
  );
  const endpoint = endpointOf({ provider, baseURL, keyEnv: 'K' }, { K: KEY });
  const client = createApiClient({ endpoint, model: 'm', store, ledger, retries: 1, timeout: 10 });
  return { client, ledger };
}
const example = (text: string) => ({ file: '', line: 1, text });

describe("Anthropic's interface", () => {
  const handler: Handler = (body, url, headers) => {
    expect(url).toBe('/v1/messages');
    expect(headers['x-api-key']).toBe(KEY);
    expect(headers['anthropic-version']).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(headers.authorization).toBeUndefined();
    expect(body.max_tokens).toBeGreaterThan(0);
    expect(body.messages.every((m: { role: string }) => m.role === 'user')).toBe(true);
    const [tool] = body.tools ?? [];
    const [member, { enum: names }] = Object.entries(tool.input_schema.properties)[0] as [
      string,
      { enum: string[] },
    ];
    expect(body.tool_choice).toEqual({ type: 'tool', name: tool.name });
    const said = names.find((n) => body.messages[0].content.includes(n)) ?? names[0];
    return [
      200,
      {
        content: [{ type: 'tool_use', name: tool.name, input: { [member]: said } }],
        stop_reason: 'tool_use',
        usage: { input_tokens: 11, output_tokens: 5, cache_read_input_tokens: 4 },
      },
    ];
  };

  it('labels with a tool, has no log-probabilities, and costs what it says', async () => {
    const { client, ledger } = await clientOf('anthropic', handler);
    const seen = await probe(client, 20, classes);
    expect(seen).toEqual({ chat: true, completions: false, topk: 0, schema: 'json_schema' });
    const teacher = apiClassifier(client, seen, { classes });
    const answer = await teacher.label(example('where is my card'));
    expect(answer.ok && answer.reading).toEqual({ label: 1, p: undefined });
    expect(ledger.totals()).toMatchObject({ paid: 2, tokens: 40, lost: 0 });
    expect(everything(folder).includes(KEY)).toBe(false);
  });
});

describe("Google's interface", () => {
  const handler: Handler = (body, url, headers) => {
    expect(headers['x-goog-api-key']).toBe(KEY);
    if (url.endsWith(':batchEmbedContents'))
      return [
        200,
        {
          embeddings: body.requests.map((r: { content: { parts: { text: string }[] } }) => ({
            values: [r.content.parts[0].text.length, 1],
          })),
        },
      ];
    expect(url).toBe('/v1/models/m:generateContent');
    const c = body.generationConfig;
    const member = c.responseJsonSchema ? Object.keys(c.responseJsonSchema.properties)[0] : 'label';
    const spell = (name: string): string => `${JSON.stringify(name)}}`;
    const head = `{"${member}":`;
    const token = (name: string, p: number) => ({ token: spell(name), logProbability: Math.log(p) });
    return [
      200,
      {
        candidates: [
          {
            content: { role: 'model', parts: [{ text: head }, { text: spell('card') }] },
            finishReason: 'STOP',
            ...(c.responseLogprobs
              ? {
                  logprobsResult: {
                    chosenCandidates: [{ token: head, logProbability: 0 }, token('card', 0.7)],
                    topCandidates: [
                      { candidates: [{ token: head, logProbability: 0 }] },
                      { candidates: [token('card', 0.7), token('refund', 0.2)].slice(0, c.logprobs) },
                    ],
                  },
                }
              : {}),
          },
        ],
        usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 3, thoughtsTokenCount: 2 },
      },
    ];
  };

  it('gives probabilities of the classes, and embeddings', async () => {
    const { client, ledger } = await clientOf('gemini', handler);
    const seen = await probe(client, 20, classes);
    expect(seen).toEqual({ chat: true, completions: false, topk: 2, schema: 'json_schema' });
    const { data } = await apiClassifier(client, seen, { classes }).logits!([example('where is my card')]);
    const p = Array.from(data as Float32Array, Math.exp);
    for (const [i, x] of [0.2, 0.7, 0.1].entries()) expect(p[i]).toBeCloseTo(x, 5);
    expect(await probeEmbeddings(client)).toBe(2);
    // the answer with embeddings says nothing of tokens: its estimate counts
    expect(ledger.totals()).toMatchObject({ paid: 4, lost: 0 });
    expect(ledger.totals().tokens).toBeGreaterThanOrEqual(36);
  });
});

describe('what an endpoint does not take', () => {
  it('is renamed or left out, and learned once', async () => {
    const bodies: Record<string, unknown>[] = [];
    const { client, ledger } = await clientOf('openai-compatible', (body) => {
      bodies.push(body);
      const refuse = (message: string): [number, unknown] => [400, { error: { message } }];
      if ('max_tokens' in body)
        return refuse("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.");
      if ('temperature' in body) return refuse("Unsupported value: 'temperature' does not support 0.");
      if (body.messages[0].content.includes('forbidden')) return refuse('this content is not allowed');
      const content = JSON.stringify({ label: 'card' });
      return [
        200,
        { choices: [{ message: { content } }], usage: { prompt_tokens: 1, completion_tokens: 1 } },
      ];
    });
    const capabilities = { chat: true, completions: false, topk: 0, schema: 'json_schema' } as const;
    const teacher = apiClassifier(client, capabilities, { classes });
    expect(await teacher.label(example('one'))).toMatchObject({ ok: true, reading: { label: 1 } });
    expect(bodies).toHaveLength(3);
    expect(bodies[2]).toMatchObject({ max_completion_tokens: 24 });
    expect(await teacher.label(example('two'))).toMatchObject({ ok: true });
    expect(bodies).toHaveLength(4);
    expect(ledger.totals()).toMatchObject({ paid: 2, free: 2, tokens: 4 });
    const plain = apiClassifier(client, capabilities, { classes, prompt: 'forbidden {text}' });
    expect(await plain.label(example('three'))).toMatchObject({ ok: false, refused: true });
    expect(bodies).toHaveLength(5);
  });

  const both = '`temperature` and `top_p` cannot both be specified for this model. Please use only one.';
  it.each([
    ['one of temperature and top_p', [both], ['temperature']],
    ['neither', [both, '`temperature` is deprecated for this model.'], []],
  ])('is learned of Anthropic too: models that take %s', async (_, refusals, left) => {
    const bodies: Record<string, unknown>[] = [];
    const { client } = await clientOf('anthropic', (body) => {
      const message = refusals[bodies.length];
      bodies.push(body);
      if (message) return [400, { type: 'error', error: { type: 'invalid_request_error', message } }];
      const usage = { input_tokens: 1, output_tokens: 2 };
      return [200, { content: [{ type: 'text', text: 'a text' }], stop_reason: 'end_turn', usage }];
    });
    const writer = apiTextTeacher(client, { chat: true, topk: 0, schema: 'none' });
    const [[written]] = await writer.write(['tell me'], { temperature: 0.7, topP: 0.95, maxTokens: 9 });
    expect(written.text).toBe('a text');
    expect(Object.keys(bodies.at(-1)!).filter((k) => k === 'temperature' || k === 'top_p')).toEqual(left);
  });

  it('takes an overloaded server (529) as a reason to wait, not as an answer that was lost', async () => {
    let asked = 0;
    const { client, ledger } = await clientOf('anthropic', () =>
      asked++ === 0
        ? [529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }]
        : [
            200,
            {
              content: [{ type: 'text', text: 'ok' }],
              usage: { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 3 },
            },
          ],
    );
    const answer = await client.ask(
      chatQuestion([{ role: 'user', content: 'x' }], { model: 'm', maxTokens: 2 }),
    );
    expect(answer.ok).toBe(true);
    expect(ledger.totals()).toMatchObject({ paid: 1, free: 1, lost: 0, tokens: 5 });
  });
});
