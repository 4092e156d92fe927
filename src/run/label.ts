import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Example } from '../data/types.ts';
import {
  answerByBatch,
  type Capabilities,
  costOf,
  type LedgerTotals,
  logitsOf,
  mapOrdered,
  type PriceTable,
  priceOf,
  readBatchFile,
  writeBatchFile,
} from '../teachers/api/index.ts';
import { openSignalStore } from '../teachers/store/index.ts';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { type ApiTeacherSettings, openApiTeacher } from './api-teacher.ts';

export interface LabelOptions {
  /** Folder of the answers: `signals/`, `ledger.jsonl`, `labels.jsonl`, `unlabelled.jsonl`. */
  folder: string;
  teacher: ApiTeacherSettings;
  classes: readonly string[];
  baseDir: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Declared instead of probed. */
  capabilities?: Capabilities;
  /** Tell what it would take; ask for nothing. */
  estimate?: boolean;
  /** Write what is still to be asked as the input file of a batch; ask for nothing. */
  writeBatch?: string;
  /** Have what is still to be asked answered through the provider's batch endpoint. */
  byBatch?: boolean;
  /** First take the answers of a batch's output file. */
  readBatch?: string;
  /** Write the probabilities of all classes too. */
  probabilities?: boolean;
  stopRequested?: () => boolean;
  onProgress?: (done: number) => void;
}

export interface LabelResult {
  rows: number;
  /** Rows whose answer was in the store before. */
  fromStore: number;
  labelled: number;
  unlabelled: number;
  capabilities: Capabilities;
  /** Totals of the ledger, all sessions together. */
  ledger: LedgerTotals;
  currency?: string;
  /** Of the questions that are still to be asked. */
  estimate?: { questions: number; inputTokens: number; outputTokens: number; money?: number };
  batch?: { written?: number; stored?: number; known: number; failed?: number; foreign?: number };
  /** The labels, one JSON object per row, in order. */
  file?: string;
}

/** Assumed of an endpoint that must not be asked yet. */
const ASSUMED: Capabilities = { chat: true, completions: false, topk: 5, schema: 'json_schema' };

/**
 * Labels texts with a teacher behind an API and keeps every answer: a second call asks only for what is new. Writes
 * `labels.jsonl` (text, label, confidence, in order) and `unlabelled.jsonl` (text, problem). Errors: `budget`,
 * `teacher`, `interrupted`; answers that had arrived are kept in all cases.
 */
export async function labelTexts(examples: readonly Example[], options: LabelOptions): Promise<LabelResult> {
  mkdirSync(options.folder, { recursive: true });
  const store = openSignalStore(join(options.folder, 'signals'), { write: true });
  try {
    const { endpoint, classifier, capabilities, ledger, prices } = await openApiTeacher(options.teacher, {
      ...options,
      store,
      ledger: join(options.folder, 'ledger.jsonl'),
      capabilities: options.capabilities ?? (options.estimate ? ASSUMED : undefined),
    });
    try {
      const { client, question } = classifier;
      const questions = examples.map(question);
      const result: LabelResult = {
        rows: examples.length,
        fromStore: 0,
        labelled: 0,
        unlabelled: 0,
        capabilities,
        ledger: ledger.totals(),
        currency: prices?.currency,
      };
      if (options.readBatch) result.batch = await readBatchFile(options.readBatch, client, questions);
      result.fromStore = questions.filter(client.has).length;
      if (options.writeBatch) {
        result.batch = await writeBatchFile(options.writeBatch, client, questions);
        return result;
      }
      if (options.byBatch)
        await answerByBatch(questions, {
          endpoint,
          client,
          ledger,
          folder: options.folder,
          stopRequested: options.stopRequested,
          onProgress: options.onProgress,
        });
      if (options.estimate) return { ...result, estimate: estimateOf(questions, client, prices) };
      const rows: string[] = [];
      const problems: string[] = [];
      let lost = 0;
      let done = 0;
      const interrupted = (): void => {
        if (options.stopRequested?.())
          throw new DecantError(
            'interrupted',
            'stopped while the teacher was answering; what it said is kept',
            {
              fix: 'run the same command again: it goes on where it stopped',
            },
          );
      };
      const answers = mapOrdered(examples, 8 * client.pace.max, (example) => {
        interrupted();
        return classifier.label(example);
      });
      for await (const answer of answers) {
        const { text } = examples[done++];
        if (answer.ok) {
          const { label, p } = answer.reading;
          const logp = logitsOf(answer.reading, options.classes.length);
          rows.push(
            JSON.stringify({
              text,
              label: options.classes[label!],
              confidence: p ? Number(Math.exp(logp[label!]).toFixed(6)) : undefined,
              ...(options.probabilities
                ? { probabilities: Object.fromEntries(options.classes.map((c, i) => [c, Math.exp(logp[i])])) }
                : {}),
            }),
          );
        } else {
          if (!answer.refused) lost++;
          problems.push(JSON.stringify({ text, problem: answer.problem }));
        }
        options.onProgress?.(done);
      }
      const file = join(options.folder, 'labels.jsonl');
      writeFileAtomic(file, lines(rows));
      writeFileAtomic(join(options.folder, 'unlabelled.jsonl'), lines(problems));
      if (lost > 0)
        throw new DecantError('teacher', `${lost} of ${examples.length} texts got no answer`, {
          at: join(options.folder, 'unlabelled.jsonl'),
          fix: 'run the same command again: only these are asked for',
        });
      return {
        ...result,
        labelled: rows.length,
        unlabelled: problems.length,
        ledger: ledger.totals(),
        file,
      };
    } finally {
      ledger.close();
    }
  } finally {
    await store.close();
  }

  function estimateOf(
    questions: readonly ReturnType<Awaited<ReturnType<typeof openApiTeacher>>['classifier']['question']>[],
    client: Awaited<ReturnType<typeof openApiTeacher>>['classifier']['client'],
    prices: PriceTable | undefined,
  ): NonNullable<LabelResult['estimate']> {
    const open = new Map(questions.filter((q) => !client.has(q)).map((q) => [client.key(q), q.estimate]));
    const sum = { input: 0, output: 0 };
    for (const { input, output } of open.values()) {
      sum.input += input;
      sum.output += output;
    }
    const price = priceOf(prices, client.model);
    return {
      questions: open.size,
      inputTokens: sum.input,
      outputTokens: sum.output,
      ...(price ? { money: costOf(price, sum) } : {}),
    };
  }
}

const lines = (rows: readonly string[]): string => rows.map((r) => `${r}\n`).join('');
