import { chooseBuckets } from '../data/batching.ts';
import type { ExampleSet } from '../data/example-set.ts';
import type { Example } from '../data/types.ts';
import type { NDArray } from '../graph/index.ts';
import type { BatchSource } from '../train/batches.ts';
import type { Reading } from '../train/counterpart.ts';
import { languageSource, paddedRows, type TokenRow, type TokenRows, tokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import type { RunContext } from './context.ts';
import { rowStream, survey } from './row-stream.ts';

/** What a teacher says about the rows of one batch, as columns of it. */
export type BatchColumns = (rows: TokenRows) => Promise<Record<string, NDArray>>;

/** Texts that stay on the disk: read and cut into rows of tokens in every epoch, in bounded memory. */
export interface StreamedTexts {
  readonly sample: readonly Example[];
  /** Texts, before they are cut. */
  readonly size: number;
  /** Batches in shuffled order, as `reading` splits the texts. Reads all of them once to count. Errors: `data` when there is nothing to learn. */
  source(reading: Reading, buckets: number, columns?: BatchColumns): Promise<BatchSource>;
}

/** One pass over the texts: a uniform sample, and how many there are. */
export async function openStreamedTexts(ctx: RunContext, set: ExampleSet): Promise<StreamedTexts> {
  const { buffer } = ctx.recipe.data.streaming!;
  const { sample, size } = await survey([set]);
  const counts = new Map<Reading, number>();
  return {
    sample,
    size,
    async source(reading, buckets, columns) {
      const { tokenizer, maxLength } = reading;
      const pass = (): AsyncIterable<TokenRow> => cut(set, reading);
      const rows = counts.get(reading) ?? (await count(pass()));
      counts.set(reading, rows);
      if (rows === 0)
        throw new DecantError('data', 'no row has a text or a response to learn', { at: 'data.train' });
      const lengths = chooseBuckets(tokenRows(sample, reading).lengths, buckets);
      const padId = tokenizer.special.pad ?? tokenizer.special.eos ?? 0;
      const drawn = rowStream({ pass, size: rows, buffer });
      return {
        size: rows,
        stream: drawn.stream,
        async collate(numbers) {
          const batch = paddedRows(await drawn.take(numbers), { padId, maxLength, buckets: lengths });
          const signals = columns && (() => columns(batch));
          return languageSource(batch, signals).collate(batch.rows.map((_, i) => i));
        },
      };
    },
  };
}

async function* cut(set: ExampleSet, reading: Reading): AsyncGenerator<TokenRow> {
  for await (const example of set.read()) yield* tokenRows([example], reading).rows;
}

async function count(rows: AsyncIterable<unknown>): Promise<number> {
  let n = 0;
  for await (const _ of rows) n++;
  return n;
}
