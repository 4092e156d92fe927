import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openReference } from '../data/sources/open.ts';
import { isProblem } from '../data/types.ts';
import { openPredictor } from '../run/predict.ts';
import { DecantError } from '../util/errors.ts';
import { didYouMean } from '../util/suggest.ts';
import { createOutput, type Io } from './io.ts';

interface Flags {
  file?: string;
  column?: string;
  dtype?: string;
  top?: number;
  json?: boolean;
}

const USUAL_COLUMNS = ['text', 'question', 'body', 'message', 'query', 'sentence', 'prompt'];

/** The model folder itself, or the one inside a run folder. */
export const modelFolderOf = (path: string): string =>
  existsSync(join(path, 'model', 'config.json')) ? join(path, 'model') : path;

/** `decant predict`. One JSON object per line in the order of the inputs; with --json one array. */
export async function predictCommand(
  folder: string,
  texts: readonly string[],
  flags: Flags,
  io: Io,
): Promise<void> {
  const output = createOutput(io, flags);
  if (flags.dtype !== 'fp32' && flags.dtype !== 'q8')
    throw new DecantError('usage', 'unknown dtype', {
      at: '--dtype',
      seen: flags.dtype,
      allowed: 'fp32, q8',
    });
  if (texts.length === 0 && !flags.file)
    throw new DecantError('usage', 'nothing to predict', { fix: 'give texts, or a file with --file' });
  const predictor = await openPredictor(modelFolderOf(resolve(io.cwd, folder)), { dtype: flags.dtype });
  const all: unknown[] = [];
  const answer = async (inputs: string[]): Promise<void> => {
    const found = await predictor.predict(inputs, { topK: flags.top });
    found.forEach(({ label, score, top }, i) => {
      const row = { text: inputs[i], label, score, ...(flags.top && flags.top > 1 ? { top } : {}) };
      if (output.json) all.push(row);
      else output.line(JSON.stringify(row));
    });
  };
  try {
    if (texts.length > 0) await answer([...texts]);
    if (flags.file) for await (const part of readTexts(flags.file, flags.column, io)) await answer(part);
    if (output.json) output.result(all, () => '');
  } finally {
    await predictor.close();
  }
}

async function* readTexts(file: string, column: string | undefined, io: Io): AsyncGenerator<string[]> {
  const set = await openReference(file, { baseDir: io.cwd, dataRoot: io.env.DECANT_DATA });
  const source = set.splits.test ?? Object.values(set.splits)[0];
  for await (const batch of source.batches()) {
    const texts: string[] = [];
    for (const item of batch) {
      if (isProblem(item)) {
        io.stderr.write(`${item.problem.file}:${item.problem.line}: ${item.problem.message} (left out)\n`);
        continue;
      }
      const names = Object.keys(item.values);
      const name =
        column ?? USUAL_COLUMNS.find((n) => names.includes(n)) ?? (names.length === 1 ? names[0] : undefined);
      if (name === undefined || !(name in item.values)) {
        throw new DecantError('data', 'there is no such column', {
          at: `${item.file}:${item.line}`,
          seen: column ?? '(none given)',
          allowed: names.join(', '),
          fix: (column && didYouMean(column, names)) || 'name it with --column',
        });
      }
      texts.push(String(item.values[name] ?? ''));
    }
    if (texts.length > 0) yield texts;
  }
}
