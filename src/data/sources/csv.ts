import { Readable } from 'node:stream';
import { type CsvError, type Info, parse } from 'csv-parse';
import { DecantError, isDecantError } from '../../util/errors.ts';
import { excerpt } from '../problems.ts';
import type { Source, SourceItem } from '../types.ts';
import { type FileInput, textChunks } from './bytes.ts';

export interface CsvOptions {
  /** One character; found from the first line when absent (`,` `;` tab or `|`). */
  delimiter?: string;
  /** Column names for a file without a header line. */
  names?: string[];
}

const BATCH = 512;
const LONGEST_RECORD = 16 << 20;

/** CSV and TSV by RFC 4180. Rows whose number of fields differs from the header's become problems with their line. */
export function csvSource(input: FileInput, options: CsvOptions = {}): Source {
  return { label: input.path, batches: () => readCsv(input, options) };
}

async function* readCsv(input: FileInput, options: CsvOptions): AsyncGenerator<SourceItem[]> {
  const chunks = textChunks(input);
  const head = await chunks.next();
  if (head.done || head.value.length === 0)
    throw new DecantError('data', 'is empty', { at: input.path, fix: 'a header line and rows are expected' });
  const delimiter = options.delimiter ?? sniff(head.value.toString('utf8'));
  const parser = parse({
    delimiter,
    info: true,
    // Field counts are compared here, so that a ragged row is reported with its line instead of ending the file.
    relax_column_count: true,
    relax_quotes: true,
    max_record_size: LONGEST_RECORD,
  });
  const source = Readable.from(
    (async function* () {
      yield head.value;
      yield* chunks;
    })(),
  );
  source.on('error', (e) => parser.destroy(e));
  source.pipe(parser);

  let names = options.names;
  let lastLine = 0;
  let batch: SourceItem[] = [];
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      const line = lastLine + 1;
      lastLine = info.lines;
      if (!names) {
        names = header(record, input.path);
        continue;
      }
      batch.push(toItem(record, names, input.path, line));
      if (batch.length >= BATCH) {
        yield batch;
        batch = [];
      }
    }
  } catch (cause) {
    if (isDecantError(cause)) throw cause;
    const { code, message } = cause as CsvError;
    const open = code === 'CSV_QUOTE_NOT_CLOSED' || code === 'CSV_MAX_RECORD_SIZE';
    throw new DecantError('data', open ? 'a quoted field that starts here is never closed' : message, {
      at: `${input.path}:${lastLine + 1}`,
      fix: open
        ? 'close the quote, or double it ("") where it is part of the text'
        : 'check the file around this line',
      cause,
    });
  } finally {
    source.destroy();
  }
  if (batch.length > 0) yield batch;
}

function header(record: string[], file: string): string[] {
  const names = record.map((name, i) => name.trim() || `column_${i + 1}`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DecantError('data', 'two columns have the same name', {
      at: `${file}:1`,
      seen: twice,
      fix: 'rename one of them, or give data.names for a file without a header line',
    });
  return names;
}

function toItem(record: string[], names: string[], file: string, line: number): SourceItem {
  if (record.length === 1 && record[0] === '' && names.length > 1)
    return { problem: { kind: 'empty', file, line, message: 'blank line' } };
  if (record.length !== names.length) {
    const message = `${record.length} field${record.length === 1 ? '' : 's'} where the header has ${names.length}`;
    return { problem: { kind: 'ragged', file, line, message, raw: excerpt(record) } };
  }
  const values: Record<string, unknown> = {};
  for (let i = 0; i < names.length; i++) values[names[i]] = record[i];
  return { file, line, values };
}

/** The separator that occurs most often outside quotes in the first line; comma when none does. */
function sniff(text: string): string {
  const line = text.slice(0, text.indexOf('\n') < 0 ? undefined : text.indexOf('\n')).replace(/"[^"]*"/g, '');
  const count = (c: string): number => line.split(c).length - 1;
  return [',', '\t', ';', '|'].reduce((best, c) => (count(c) > count(best) ? c : best));
}
