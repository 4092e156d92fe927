import { DecantError } from '../../util/errors.ts';
import { excerpt } from '../problems.ts';
import type { Source, SourceItem } from '../types.ts';
import { type FileInput, lineBatches, textChunks } from './bytes.ts';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One JSON object per line. Blank and broken lines become problems with their line number. */
export function jsonlSource(input: FileInput): Source {
  return {
    label: input.path,
    async *batches() {
      for await (const { first, lines } of lineBatches(input)) {
        yield lines.map((text, i) => parseLine(text, input.path, first + i));
      }
    },
  };
}

function parseLine(text: string, file: string, line: number): SourceItem {
  if (text.trim() === '') return { problem: { kind: 'empty', file, line, message: 'blank line' } };
  try {
    const values: unknown = JSON.parse(text);
    if (isObject(values)) return { file, line, values };
    const message = `expected an object such as {"text": "..."}, found ${Array.isArray(values) ? 'an array' : typeof values}`;
    return { problem: { kind: 'parse', file, line, message, raw: excerpt(text) } };
  } catch (e) {
    return { problem: { kind: 'parse', file, line, message: (e as Error).message, raw: excerpt(text) } };
  }
}

/** A `.json` file that holds one array of objects (read whole); line numbers are positions in the array, from 1. */
export function jsonArraySource(input: FileInput): Source {
  return {
    label: input.path,
    async *batches() {
      const parts: Buffer[] = [];
      for await (const chunk of textChunks(input)) parts.push(chunk);
      let value: unknown;
      try {
        value = JSON.parse(Buffer.concat(parts).toString('utf8'));
      } catch (cause) {
        throw new DecantError('data', `not valid JSON: ${(cause as Error).message}`, {
          at: input.path,
          fix: 'a file with one object per line is named .jsonl',
          cause,
        });
      }
      if (!Array.isArray(value))
        throw new DecantError('data', 'expected an array of objects', { at: input.path, seen: typeof value });
      yield value.map(
        (values: unknown, i): SourceItem =>
          isObject(values)
            ? { file: input.path, line: i + 1, values }
            : {
                problem: {
                  kind: 'parse',
                  file: input.path,
                  line: i + 1,
                  message: 'expected an object',
                  raw: excerpt(values),
                },
              },
      );
    },
  };
}
