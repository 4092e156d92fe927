import { roles } from '../data/roles.ts';
import { openReference } from '../data/sources/open.ts';
import { type Example, isProblem, type RawRow } from '../data/types.ts';
import type { TextList } from '../run/rank/build.ts';
import { ranked } from '../run/rank/open.ts';
import type { ServedModel } from '../run/served-model.ts';
import { writeTexts } from '../run/write-texts.ts';
import { DecantError } from '../util/errors.ts';
import { didYouMean } from '../util/suggest.ts';
import { createOutput, type Io } from './io.ts';
import { dtypeOf, openFolder } from './model-folder.ts';

interface Flags {
  file?: string;
  column?: string;
  dtype?: string;
  top?: number;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  seed?: number;
  stop?: string[];
  json?: boolean;
}

/** Names of columns that hold a text, as everywhere where data is read. */
const USUAL_COLUMNS = ['text', 'prompt', ...roles.text.aliases];

/** `decant predict`. One JSON object per line in the order of the inputs; with --json one array. */
export async function predictCommand(
  folder: string,
  texts: readonly string[],
  flags: Flags,
  io: Io,
): Promise<void> {
  const output = createOutput(io, flags);
  dtypeOf(flags.dtype);
  if (texts.length === 0 && !flags.file)
    throw new DecantError('usage', 'nothing to predict', { fix: 'give texts, or a file with --file' });
  const model = await openFolder(folder, flags, io);
  const all: unknown[] = [];
  const answer = answerOf(model, flags);
  const say = async (inputs: Input[]): Promise<void> => {
    for (const row of await answer(inputs)) {
      if (output.json) all.push(row);
      else output.line(JSON.stringify(row));
    }
  };
  try {
    if (texts.length > 0) await say(ranks(model) ? [listOf(texts)] : [...texts]);
    if (flags.file && model.predictor?.kind === 'features')
      for await (const part of readNumbers(flags.file, model.predictor.featureNames, io)) await say(part);
    else if (flags.file && ranks(model)) for await (const part of readLists(flags.file, io)) await say(part);
    else if (flags.file) for await (const part of readTexts(flags.file, flags.column, io)) await say(part);
    if (output.json) output.result(all, () => '');
  } finally {
    await model.close();
  }
}

/** What a model answers: a class, a continuation, a vector, or documents by relevance. */
function answerOf(model: ServedModel, flags: Flags): (inputs: readonly Input[]) => Promise<unknown[]> {
  const { predictor, language, embedder, ranker } = model;
  if (ranks(model))
    return async (given) => {
      const lists = given as readonly TextList[];
      const scores = await ranker!.score(lists);
      return lists.map((list, i) => ({
        ...list,
        results: ranked(scores[i]).slice(0, flags.top && flags.top > 1 ? flags.top : undefined),
      }));
    };
  if (language)
    return async (given) => {
      const inputs = given as readonly string[];
      const { maxTokens, temperature, topP, seed, stop } = flags;
      const written = await writeTexts(language, inputs, { maxTokens, temperature, topP, seed, stop });
      return written.map((w, i) => ({ prompt: inputs[i], ...w }));
    };
  if (embedder)
    return async (given) => {
      const inputs = given as readonly string[];
      const { vectors } = await embedder.embed(inputs);
      return vectors.map((v, i) => ({ text: inputs[i], embedding: [...v] }));
    };
  return async (inputs) => {
    const found = await predictor!.predict(inputs as readonly (string | Example)[], { topK: flags.top });
    return found.map(({ label, score, top }, i) => ({
      ...asked(inputs[i]),
      label,
      score,
      ...(flags.top && flags.top > 1 ? { top } : {}),
    }));
  };
}

/** A text, a row of numbers, or a query with documents. */
type Input = string | Example | TextList;

const asked = (input: Input) =>
  typeof input === 'string' ? { text: input } : { line: (input as Example).line };

/** Models that do nothing but rank; a sentence encoder is asked for vectors. */
const ranks = (model: ServedModel): boolean => model.kind === 'ranker';

/** Arguments as a query and its documents. Errors: `usage` for a query alone. */
function listOf([query, ...documents]: readonly string[]): TextList {
  if (documents.length > 0) return { query, documents };
  throw new DecantError('usage', 'a ranker is given a query and documents', {
    seen: query,
    fix: 'decant predict FOLDER QUERY DOCUMENT DOCUMENT …, or a JSONL file of {"query", "documents"} with --file',
  });
}

/** Rows of a file by batches; those that cannot be read are told and left out. */
async function* usableRows(file: string, io: Io): AsyncGenerator<RawRow[]> {
  const set = await openReference(file, { baseDir: io.cwd, dataRoot: io.env.DECANT_DATA });
  const source = set.splits.test ?? Object.values(set.splits)[0];
  for await (const batch of source.batches()) {
    const rows: RawRow[] = [];
    for (const item of batch) {
      if (isProblem(item))
        io.stderr.write(`${item.problem.file}:${item.problem.line}: ${item.problem.message} (left out)\n`);
      else rows.push(item);
    }
    if (rows.length > 0) yield rows;
  }
}

/** Rows of numbers: the named columns, or all of them. Errors: `data` for a column that is missing or no number. */
async function* readNumbers(
  file: string,
  names: readonly string[] | undefined,
  io: Io,
): AsyncGenerator<Example[]> {
  for await (const rows of usableRows(file, io))
    yield rows.map(({ file, line, values }) => ({
      file,
      line,
      features: Float32Array.from(names ?? Object.keys(values), (column) => {
        const value = values[column];
        const n = value === undefined || value === null || value === '' ? Number.NaN : Number(value);
        if (Number.isFinite(n)) return n;
        throw new DecantError('data', column in values ? 'is not a number' : 'there is no such column', {
          at: `${file}:${line} ${column}`,
          seen: value,
          allowed: names?.join(', '),
        });
      }),
    }));
}

/** Rows with a query and a list of documents, or with one. Errors: `data` for a row without. */
async function* readLists(file: string, io: Io): AsyncGenerator<TextList[]> {
  for await (const rows of usableRows(file, io))
    yield rows.map(({ file, line, values }) => {
      const documents = values.documents ?? (values.document === undefined ? undefined : [values.document]);
      if (typeof values.query === 'string' && Array.isArray(documents) && documents.length > 0)
        return { query: values.query, documents: documents.map(String) };
      throw new DecantError('data', 'a ranker reads rows with a query and documents', {
        at: `${file}:${line}`,
        seen: Object.keys(values).join(', '),
        allowed: 'query, and documents (a list) or document',
      });
    });
}

async function* readTexts(file: string, column: string | undefined, io: Io): AsyncGenerator<string[]> {
  for await (const rows of usableRows(file, io))
    yield rows.map(({ file, line, values }) => {
      const names = Object.keys(values);
      const usual = USUAL_COLUMNS.flatMap((u) => names.find((n) => n.toLowerCase() === u) ?? []);
      const name = column ?? usual[0] ?? (names.length === 1 ? names[0] : undefined);
      if (name !== undefined && name in values) return String(values[name] ?? '');
      throw new DecantError('data', 'there is no such column', {
        at: `${file}:${line}`,
        seen: column ?? '(none given)',
        allowed: names.join(', '),
        fix: (column && didYouMean(column, names)) || 'name it with --column',
      });
    });
}
