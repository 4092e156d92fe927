import type { Example } from '../data/types.ts';
import { tokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import { learnedBytes } from './generate-measure.ts';
import { languageMetrics, writerValues } from './generate-report.ts';
import type { RowScores } from './language-model.ts';
import type { FolderMeasurement } from './measure-folder.ts';
import type { LanguageModel } from './served-model.ts';

/** Perplexity of an opened language model on texts, or on the responses to prompts. Errors: `data` with nothing to learn. */
export async function measureWriterFolder(
  model: LanguageModel,
  examples: readonly Example[],
  options: { resamples?: number; level?: number } = {},
): Promise<FolderMeasurement> {
  const { tokenizer, maxLength, session } = model;
  const rows = tokenRows(examples, { tokenizer, maxLength });
  if (rows.size === 0)
    throw new DecantError('data', 'no row has a text or a response to score', {
      at: 'data',
      seen: `${examples.length} rows`,
    });
  const tokens = new Int32Array(rows.size);
  const nll = new Float64Array(rows.size);
  const began = performance.now();
  for (const [r, row] of rows.rows.entries()) {
    const ids = row.ids.slice(0, -1);
    const { logits, vocab } = await session.step([ids], { all: true });
    ids.forEach((_, t) => {
      if (!row.learned[t + 1]) return;
      tokens[r]++;
      nll[r] -= logProbability(logits.subarray(t * vocab, (t + 1) * vocab), row.ids[t + 1]);
    });
  }
  const seconds = (performance.now() - began) / 1000;
  const scores: RowScores = { tokens, nll };
  const settings = { resamples: options.resamples ?? 1000, level: options.level ?? 0.95 };
  const values = writerValues([scores], learnedBytes(rows, tokenizer), settings);
  return {
    rows: examples.length,
    labelled: new Set(rows.rows.map((r) => r.example)).size,
    metrics: languageMetrics.filter((m) => values[m.key]),
    values,
    throughput: rows.size / seconds,
  };
}

function logProbability(logits: Float32Array, token: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const x of logits) if (x > top) top = x;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - top);
  return logits[token] - top - Math.log(sum);
}
