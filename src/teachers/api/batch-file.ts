import { DecantError } from '../../util/errors.ts';
import { openJsonl, scanJsonl } from '../../util/node/jsonl.ts';
import type { ApiClient } from './client.ts';
import type { Question } from './dialect.ts';

/** A line of the output file of OpenAI's batch endpoint. */
interface BatchOutput {
  custom_id?: string;
  response?: { status_code?: number; body?: unknown } | null;
}

export interface BatchImport {
  /** Answers put into the store. */
  stored: number;
  /** Answers that were there already. */
  known: number;
  /** Lines whose request failed or was refused. */
  failed: number;
  /** Lines that answer none of the questions. */
  foreign: number;
  /** Numbers of lines that are not JSON. */
  damaged: number[];
}

/** Writes questions that have no answer yet as the input file of a batch; `custom_id` is the key of the question. */
export async function writeBatchFile(
  path: string,
  client: ApiClient,
  questions: Iterable<Question<unknown>> | AsyncIterable<Question<unknown>>,
): Promise<{ written: number; known: number }> {
  const file = openJsonl(path);
  const seen = new Set<string>();
  let known = 0;
  try {
    for await (const q of questions) {
      const key = client.key(q);
      if (seen.has(key)) continue;
      if (client.has(q)) {
        known++;
        continue;
      }
      seen.add(key);
      file.append({ custom_id: key, method: 'POST', url: `/v1/${q.path}`, body: q.body });
    }
  } finally {
    file.close();
  }
  return { written: seen.size, known };
}

/**
 * Puts the answers of a batch's output file into the store. Only answers to the given questions are taken; what a
 * question reads as unusable is left out, so that it is asked again. Errors: `data` when nothing in the file fits.
 */
export async function readBatchFile(
  path: string,
  client: ApiClient,
  questions: Iterable<Question<unknown>> | AsyncIterable<Question<unknown>>,
): Promise<BatchImport> {
  const byKey = new Map<string, Question<unknown>>();
  for await (const q of questions) byKey.set(client.key(q), q);
  const result: BatchImport = { stored: 0, known: 0, failed: 0, foreign: 0, damaged: [] };
  const puts: Promise<void>[] = [];
  const lines = scanJsonl<BatchOutput>(path);
  for (let next = lines.next(); ; next = lines.next()) {
    if (next.done) {
      result.damaged = next.value.damaged;
      break;
    }
    const { custom_id = '', response } = next.value.value ?? {};
    const q = byKey.get(custom_id);
    if (!q) result.foreign++;
    else if (client.has(q)) result.known++;
    else if (response?.status_code !== 200 || isUnusableBody(q, response.body)) result.failed++;
    else {
      result.stored++;
      puts.push(client.put(q, JSON.stringify(response.body)));
      if (puts.length >= 1000) await Promise.all(puts.splice(0));
    }
  }
  await Promise.all(puts);
  if (result.stored + result.known + result.failed === 0)
    throw new DecantError('data', 'no line of the file answers one of these questions', {
      at: path,
      seen: `${result.foreign} other lines`,
      fix: 'use the file, teacher, prompt and classes that the batch was written with',
    });
  return result;
}

const isUnusableBody = (q: Question<unknown>, body: unknown): boolean => {
  const value = q.read(body);
  return typeof value === 'object' && value !== null && 'unusable' in value;
};
