import { chooseBuckets } from '../data/batching.ts';
import { promptResponse } from '../data/prompt-response.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { DecantError } from '../util/errors.ts';
import { beginToken, paddedRows, type TokenRow, type TokenRows } from './language.ts';

/** One model's tokenizer with the longest row it reads, in predictions. */
export interface Reading {
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
}

/**
 * The texts of a student's rows as another model's tokenizer splits them: row i here and row i there hold the same
 * text and learn the same part of it. Rows that were cut out of a longer text are decoded first. Errors: `pairing` for a
 * row that the other model cannot read whole.
 */
export function counterpartRows(
  rows: TokenRows,
  examples: readonly Example[],
  own: Tokenizer,
  { tokenizer, maxLength }: Reading,
  buckets: number,
): TokenRows {
  const begin = beginToken(tokenizer);
  const { eos } = tokenizer.special;
  const parts = new Map<number, number>();
  for (const { example } of rows.rows) parts.set(example, (parts.get(example) ?? 0) + 1);
  const other = rows.rows.map((row): TokenRow => {
    const e = examples[row.example];
    if (e.prompt !== undefined) {
      const { ids, mask } = promptResponse(tokenizer, e.prompt, e.response ?? '', {
        maxLength: Number.MAX_SAFE_INTEGER,
      });
      return mask[0] === 1
        ? { ids: [begin, ...ids], learned: [0, ...mask], example: row.example }
        : { ids, learned: mask, example: row.example };
    }
    const ends = own.special.eos !== undefined && row.ids.at(-1) === own.special.eos;
    const text =
      parts.get(row.example) === 1
        ? (e.text ?? '')
        : own.decode([...row.ids.slice(row.learned[0] === 0 ? 1 : 0)], { skipSpecial: true });
    const ids = [
      begin,
      ...tokenizer.encode(text, { addSpecial: false }),
      ...(ends && eos !== undefined ? [eos] : []),
    ];
    return { ids, learned: ids.map((_, i) => (i === 0 ? 0 : 1)), example: row.example };
  });
  const longest = other.reduce((a, b) => (b.ids.length > a.ids.length ? b : a));
  if (longest.ids.length - 1 > maxLength) {
    const { file, line } = examples[longest.example];
    throw new DecantError('pairing', "the teacher's tokenizer makes a row longer than the teacher can read", {
      at: `${file}:${line}`,
      seen: `${longest.ids.length - 1} tokens`,
      allowed: `at most ${maxLength}`,
      fix: 'lower student.maxLength, or leave the row out',
    });
  }
  const padId = tokenizer.special.pad ?? eos ?? 0;
  const lengths = other.map((r) => r.ids.length - 1);
  return paddedRows(other, { padId, maxLength, buckets: chooseBuckets(lengths, buckets) });
}
