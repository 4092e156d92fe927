import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { answerByBatch, type BatchOptions } from './batch.ts';
import { apiClassifier } from './classify.ts';
import { endpointOf } from './endpoint.ts';
import { classes, everything, KEY, session, textsOf } from './testing/fault-run.ts';
import { answer, listen, readBody, stop, trueClass } from './testing/server.ts';

/** Files and batches as OpenAI's interface has them; a batch is done at the second look. */
async function startBatchServer() {
  const files = new Map<string, string>();
  const batches: { id: string; looks: number; file: string; metadata: unknown }[] = [];
  let answered = 0;
  let loseNext = false;
  const server = createServer(async (req, res) => {
    const send = (status: number, json: unknown): void => {
      res.writeHead(status);
      res.end(typeof json === 'string' ? json : JSON.stringify(json));
    };
    if (req.headers.authorization !== `Bearer ${KEY}`) return send(401, { error: { message: 'no' } });
    const body = await readBody(req);
    const path = req.url!.replace(/^\/v1/, '').replace(/\?.*/, '');
    const of = (b: (typeof batches)[number]) => ({
      id: b.id,
      status: b.looks > 1 ? 'completed' : 'in_progress',
      output_file_id: b.looks > 1 ? `out-${b.id}` : null,
      request_counts: { total: 1, completed: b.looks > 1 ? 1 : 0, failed: 0 },
      metadata: b.metadata,
    });
    if (req.method === 'POST' && path === '/files') {
      expect(body).toMatch(/name="purpose"\r\n\r\nbatch\r\n/);
      files.set(`file-${files.size}`, /jsonl\r\n\r\n([\s\S]*?)\r\n--/.exec(body)![1]);
      return send(200, { id: `file-${files.size - 1}` });
    }
    if (req.method === 'POST' && path === '/batches') {
      const asked = JSON.parse(body);
      expect(asked).toMatchObject({ endpoint: '/v1/chat/completions', completion_window: '24h' });
      batches.push({
        id: `b${batches.length}`,
        looks: 0,
        file: asked.input_file_id,
        metadata: asked.metadata,
      });
      if (loseNext) return void res.destroy();
      return send(200, of(batches.at(-1)!));
    }
    if (path === '/batches') return send(200, { data: batches.map(of) });
    const batch = batches.find((b) => path.endsWith(b.id) || path.includes(`out-${b.id}/`))!;
    if (path.startsWith('/batches/')) {
      batch.looks++;
      return send(200, of(batch));
    }
    const lines = files.get(batch.file)!.trim().split('\n');
    const out = lines.map((line, i) => {
      const { custom_id, body: asked } = JSON.parse(line);
      answered++;
      // one request of a batch fails
      if (i === 3) return JSON.stringify({ custom_id, response: { status_code: 500, body: {} } });
      const reply = answer(asked, asked.messages.at(-1).content);
      return JSON.stringify({ custom_id, response: { status_code: 200, body: reply } });
    });
    send(200, `${out.join('\n')}\n`);
  });
  const baseURL = await listen(server);
  return {
    baseURL,
    batches,
    answered: () => answered,
    lose: (on: boolean) => {
      loseNext = on;
    },
    close: () => stop(server),
  };
}

let folder: string;
let server: Awaited<ReturnType<typeof startBatchServer>>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'decant-batch-'));
  server = await startBatchServer();
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
const capabilities = { chat: true, completions: false, topk: 5, schema: 'json_schema' } as const;
const open = async (ledgerOptions = {}) => {
  const s = await session(folder, server.baseURL, { ledgerOptions });
  const teacher = apiClassifier(s.client, capabilities, { classes });
  const endpoint = endpointOf({ baseURL: server.baseURL, keyEnv: 'K' }, { K: KEY });
  const questions = textsOf(30).map(teacher.question);
  const by = (more: Partial<BatchOptions> = {}) =>
    answerByBatch(questions, { endpoint, client: s.client, ledger: s.ledger, folder, poll: 0.01, ...more });
  return { ...s, teacher, questions, by };
};

it('hands in what is open, stores the answers, and books their tokens', async () => {
  const run = await open();
  expect(await run.by({ size: 20 })).toEqual({ batches: 2, stored: 28 });
  expect(server.batches).toHaveLength(2);
  const done = textsOf(30).filter((_, i) => run.client.has(run.questions[i]));
  expect(done).toHaveLength(28);
  const answerOf = await run.teacher.label(done[0]);
  expect(answerOf.ok && answerOf.fromStore && classes[answerOf.reading.label!]).toBe(
    trueClass(done[0].text!, classes),
  );
  expect(run.ledger.totals()).toMatchObject({ paid: 2, lost: 0 });
  expect(run.ledger.totals().tokens).toBeGreaterThan(1000);
  await run.close();
  expect(everything(folder).includes(KEY)).toBe(false);
});

it('waits for the batch of a session that has ended, also when its id was lost', async () => {
  const first = await open();
  await expect(first.by({ stopRequested: () => true })).rejects.toThrow(/goes on at the provider/);
  await first.close();
  const second = await open();
  // the question that failed is handed in again, and the answer to that is lost
  server.lose(true);
  expect(await second.by()).toEqual({ batches: 2, stored: 30 });
  server.lose(false);
  expect(server.batches).toHaveLength(2);
  await second.close();
  rmSync(join(folder, 'batches.json'));
  rmSync(join(folder, 'signals'), { recursive: true });
  const before = server.answered();
  const third = await open();
  await third.by();
  // found by its hash: nothing was handed in a second time
  expect(server.batches).toHaveLength(2);
  expect(server.answered()).toBeGreaterThan(before);
  await third.close();
});

it('hands in nothing above the budget', async () => {
  const run = await open({ budget: { tokens: 1000 } });
  await expect(run.by()).rejects.toThrow(/teacher\.budget\.tokens/);
  expect(server.batches).toHaveLength(0);
  await run.close();
  expect(readFileSync(join(folder, 'ledger.jsonl'), 'utf8')).toBe('');
});
