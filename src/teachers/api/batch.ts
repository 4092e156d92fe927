import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DecantError } from '../../util/errors.ts';
import { writeFileAtomic } from '../../util/node/atomic.ts';
import { sha256 } from '../../util/node/hash.ts';
import { readBatchFile, writeBatchFile } from './batch-file.ts';
import type { ApiClient } from './client.ts';
import { type Question, usageOf } from './dialect.ts';
import type { Endpoint } from './endpoint.ts';
import { type RequestOptions, request } from './http.ts';
import type { Ledger } from './ledger.ts';

export interface BatchOptions {
  endpoint: Endpoint;
  client: ApiClient;
  ledger: Ledger;
  /** `batches.json` and the files of the batches lie here. */
  folder: string;
  /** Seconds between looks at a batch; default 30. */
  poll?: number;
  /** Questions per batch at most; default 50,000, as OpenAI allows. */
  size?: number;
  /** Asked between looks; true ends the waiting (`interrupted`), the batch goes on at the provider. */
  stopRequested?: () => boolean;
  onProgress?: (done: number, of: number) => void;
}

/** A batch that was handed in: what stands in `batches.json`. */
interface HandedIn {
  /** Hash of the input file: the batch's metadata, so that one whose id was lost is found again. */
  hash: string;
  id?: string;
  /** Line of the ledger, in the session that handed it in. */
  done: boolean;
}

interface RemoteBatch {
  id: string;
  status: string;
  output_file_id?: string | null;
  request_counts?: { total: number; completed: number; failed: number };
  errors?: { data?: { message?: string }[] };
  metadata?: Record<string, string> | null;
}

const ENDED = ['completed', 'failed', 'expired', 'cancelled'];

/**
 * Has questions answered through the provider's batch endpoint (`/files`, `/batches`), which costs less and takes up to a
 * day. What is not answered yet goes into batches one after the other; a batch that was handed in by a process that has
 * ended is waited for, not handed in again. Answers go into the client's store; questions that a batch leaves without an
 * answer are left to `client.ask`. Errors: `budget` before a batch that would exceed it, `teacher`, `interrupted`.
 */
export async function answerByBatch(
  questions: readonly Question<unknown>[],
  options: BatchOptions,
): Promise<{ batches: number; stored: number }> {
  const { client, folder, ledger } = options;
  if (options.endpoint.dialect.name !== 'openai')
    throw new DecantError('recipe', 'only endpoints of the OpenAI dialect take batches', {
      at: 'teacher.transport',
      seen: options.endpoint.dialect.name,
      allowed: 'requests',
    });
  const state = join(folder, 'batches.json');
  const handed: HandedIn[] = existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')) : [];
  const save = (): void => writeFileAtomic(state, JSON.stringify(handed, null, 2));
  const result = { batches: 0, stored: 0 };

  const finish = async (batch: HandedIn): Promise<void> => {
    const remote = await waitFor(batch.id!, options);
    if (remote.output_file_id) {
      const text = await call(options, 'GET', `files/${remote.output_file_id}/content`);
      const path = join(folder, `batch-${batch.hash.slice(0, 12)}-output.jsonl`);
      writeFileAtomic(path, text);
      result.stored += (await readBatchFile(path, client, questions)).stored;
    } else if (remote.status !== 'completed') {
      batch.done = true; // the next session hands it in anew
      save();
      throw new DecantError('teacher', `the batch ${remote.status}`, {
        at: remote.id,
        seen: remote.errors?.data?.[0]?.message ?? remote.status,
        fix: 'use teacher.transport: requests, or look into the batch at the provider',
      });
    }
    result.batches++;
  };

  for (const batch of handed.filter((b) => !b.done && b.id !== undefined)) {
    await finish(batch); // its tokens were booked as possibly paid when this session began
    batch.done = true;
    save();
  }
  const open = [...new Map(questions.filter((q) => !client.has(q)).map((q) => [client.key(q), q])).values()];
  const size = options.size ?? 50_000;
  for (let from = 0; from < open.length; from += size) {
    const part = open.slice(from, from + size);
    const hash = sha256(part.map((q) => client.key(q)).join('\n'));
    const estimate = part.reduce(
      (sum, { estimate: e }) => ({ input: sum.input + e.input, output: sum.output + e.output }),
      { input: 0, output: 0 },
    );
    const line = ledger.ask(hash.slice(0, 32), client.model, estimate);
    const batch: HandedIn = { hash, done: false };
    batch.id = (await lostBatch(hash, options)) ?? (await handIn(part, hash, options));
    handed.push(batch);
    save();
    await finish(batch);
    ledger.paid(line, usedBy(join(folder, `batch-${hash.slice(0, 12)}-output.jsonl`)));
    batch.done = true;
    save();
  }
  return result;
}

/** A batch of this very input that a killed process handed in without noting its id. */
async function lostBatch(hash: string, options: BatchOptions): Promise<string | undefined> {
  const { data } = JSON.parse(await call(options, 'GET', 'batches?limit=100')) as { data?: RemoteBatch[] };
  return data?.find(
    (b) => b.metadata?.decant === hash && !['failed', 'expired', 'cancelled'].includes(b.status),
  )?.id;
}

async function handIn(
  questions: readonly Question<unknown>[],
  hash: string,
  options: BatchOptions,
): Promise<string> {
  const path = join(options.folder, `batch-${hash.slice(0, 12)}-input.jsonl`);
  writeFileAtomic(path, '');
  await writeBatchFile(path, options.client, questions);
  const boundary = `decant-${hash.slice(0, 24)}`;
  const part = (head: string): string => `--${boundary}\r\nContent-Disposition: form-data; ${head}`;
  const body = Buffer.concat([
    Buffer.from(`${part('name="purpose"')}\r\n\r\nbatch\r\n`),
    Buffer.from(`${part('name="file"; filename="batch.jsonl"')}\r\nContent-Type: application/jsonl\r\n\r\n`),
    readFileSync(path),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  const file = JSON.parse(
    await call(options, 'POST', 'files', {
      body,
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    }),
  ) as { id: string };
  const made = {
    headers: { 'content-type': 'application/json' },
    idempotencyKey: hash.slice(0, 32),
    attempts: 1,
    body: JSON.stringify({
      input_file_id: file.id,
      endpoint: `/v1/${questions[0].path}`,
      completion_window: '24h',
      metadata: { decant: hash },
    }),
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return (JSON.parse(await call(options, 'POST', 'batches', made)) as RemoteBatch).id;
    } catch (error) {
      // the answer may have been lost on its way: it is looked for before it is handed in once more
      const found = await lostBatch(hash, options);
      if (found !== undefined) return found;
      if (attempt >= ATTEMPTS) throw error;
    }
  }
}

async function waitFor(id: string, options: BatchOptions): Promise<RemoteBatch> {
  for (;;) {
    const batch = JSON.parse(await call(options, 'GET', `batches/${id}`)) as RemoteBatch;
    const { total = 0, completed = 0 } = batch.request_counts ?? {};
    options.onProgress?.(completed, total);
    if (ENDED.includes(batch.status)) return batch;
    if (options.stopRequested?.())
      throw new DecantError(
        'interrupted',
        'stopped while a batch was under way; it goes on at the provider',
        {
          at: id,
          fix: 'go on later: it is waited for and not handed in again',
        },
      );
    await sleep(1000 * (options.poll ?? 30));
  }
}

/** Attempts of one call before it counts as failed. */
const ATTEMPTS = 5;

/** One call of the batch interface, repeated after faults; gives the body. Errors: `teacher`. */
async function call(
  { endpoint }: BatchOptions,
  method: 'GET' | 'POST',
  path: string,
  { attempts = ATTEMPTS, ...more }: Partial<RequestOptions> & { attempts?: number } = {},
): Promise<string> {
  let why = '';
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (attempt > 0) await sleep(500 * 2 ** attempt * Math.random());
    const reply = await request(endpoint, path, { method, timeout: 300_000, maxBytes: 1 << 30, ...more });
    if (reply.kind === 'answer' && reply.status === 200) return reply.text;
    why = reply.kind === 'answer' ? `status ${reply.status}: ${reply.text.slice(0, 200)}` : reply.why;
    if (reply.kind === 'answer' && reply.status < 500 && reply.status !== 429) break;
  }
  throw new DecantError('teacher', 'the batch interface of the endpoint fails', {
    at: `${endpoint.baseURL}/${path}`,
    seen: why,
    fix: 'run the same command again, or use teacher.transport: requests',
  });
}

/** Tokens of a batch's output file. */
function usedBy(path: string): { input: number; output: number } | undefined {
  if (!existsSync(path)) return undefined;
  const sum = { input: 0, output: 0 };
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.trim() === '') continue;
    const used = usageOf((JSON.parse(line) as { response?: { body?: unknown } }).response?.body);
    sum.input += used?.input ?? 0;
    sum.output += used?.output ?? 0;
  }
  return sum;
}
