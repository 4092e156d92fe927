import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { PreparedData } from '../data/prepare.ts';
import { loadRecipe } from '../recipe/load.ts';
import { type FolderMeasurement, measureFolder, rowsToMeasure } from '../run/measure-folder.ts';
import { measureWriterFolder } from '../run/measure-writer.ts';
import type { ServedModel } from '../run/served-model.ts';
import { DecantError } from '../util/errors.ts';
import { checkData, type PrepareRows } from './inspect.ts';
import { createOutput, type Io, textTable } from './io.ts';
import { openFolder } from './model-folder.ts';

interface Flags {
  column?: string;
  label?: string;
  dtype?: string;
  json?: boolean;
}

/** `decant eval`: metrics of an exported folder on a data source, or on the test rows of its run. */
export async function evalCommand(
  folder: string,
  source: string | undefined,
  flags: Flags,
  io: Io,
): Promise<void> {
  const output = createOutput(io, flags);
  const model = await openFolder(folder, flags, io);
  const { path, dtype } = model;
  try {
    if (model.ranker) return await evalRanker(model, source, flags, io, output);
    const kind = measurable(model, path);
    let aside = 0;
    const data = source
      ? await rowsToMeasure(source, kind, {
          baseDir: io.cwd,
          dataRoot: io.env.DECANT_DATA,
          env: io.env,
          columns: columnsOf(flags, kind.kind === 'language'),
          onProblem(p) {
            if (p.kept) return;
            if (aside++ < 5) output.note(`${p.file}:${p.line}: ${p.message} (put aside)`);
          },
        })
      : (await testRowsOfRun(path, io)).data;
    const rows = data.splits.test?.items ?? [];
    const measured = model.language
      ? await measureWriterFolder(model.language, rows)
      : await measureFolder(model.predictor!, rows);
    if (aside > 5) output.note(`${aside - 5} further rows were put aside`);
    const on = source ?? data.report.splits.test?.source;
    output.result({ model: path, data: on, dtype, putAside: aside, ...measured }, () =>
      [
        `${relative(io.cwd, path) || '.'} (${dtype}) on ${on}: ${measured.labelled} ${model.language ? 'learned' : 'labelled'} rows of ${measured.rows}`,
        figures(measured),
        output.colour.dim(`${Math.round(measured.throughput)} rows a second`),
      ].join('\n'),
    );
  } finally {
    await model.close();
  }
}

function measurable(model: ServedModel, path: string): Parameters<typeof rowsToMeasure>[1] {
  if (model.language) return { kind: 'language' };
  if (model.predictor && model.predictor.classes.length > 0) return model.predictor;
  throw new DecantError(
    'model',
    'only classifiers, language models and rankers can be measured with decant eval',
    {
      at: join(path, 'config.json'),
      seen: model.predictor ? 'no id2label' : model.kind,
    },
  );
}

/** A ranker, or a sentence encoder, on judged queries: those of a file, or of the run's own test collection. */
async function evalRanker(
  { ranker, path, dtype }: ServedModel & { path: string; dtype: string },
  source: string | undefined,
  flags: Flags,
  io: Io,
  output: ReturnType<typeof createOutput>,
): Promise<void> {
  if (flags.column !== undefined || flags.label !== undefined)
    throw new DecantError('usage', 'a ranker reads the columns query, document and relevance', {
      at: flags.column === undefined ? '--label' : '--column',
    });
  const [{ measureRankerFolder }, { collectionOf, prepareCollection }] = await Promise.all([
    import('../run/rank/measure-folder.ts'),
    import('../run/rank/collection.ts'),
  ]);
  const { data, recipe } = source
    ? { data: await judgedRows(source, io), recipe: undefined }
    : await testRowsOfRun(path, io, (r, options) => {
        if (r.task === 'rank') return prepareCollection(r, options);
        throw new DecantError('usage', 'this run has no judged queries to measure its encoder on', {
          at: path,
          seen: `task ${r.task}: its report.json has its figures`,
          fix: 'name a file with the columns query, document and relevance: decant eval FOLDER judged.jsonl',
        });
      });
  const collection = collectionOf(data, { forTraining: false });
  const measured = await measureRankerFolder(ranker!, collection, {
    depth: recipe?.data.ranking?.depth ?? 100,
  });
  const on = source ?? data.report.splits.test?.source;
  output.result({ model: path, data: on, dtype, documents: collection.documents.length, ...measured }, () =>
    [
      `${relative(io.cwd, path) || '.'} (${dtype}) on ${on}: ${measured.labelled} queries, ${collection.documents.length} documents`,
      figures(measured),
      output.colour.dim(`${Math.round(measured.throughput)} queries a second, documents included`),
    ].join('\n'),
  );
}

const judgedRows = (source: string, io: Io): Promise<PreparedData> =>
  rowsToMeasure(source, { kind: 'ranker' }, { baseDir: io.cwd, dataRoot: io.env.DECANT_DATA, env: io.env });

/** Columns by role: `--column` is the text (of a language model with `--label`: the prompt, and that its response). */
function columnsOf({ column, label }: Flags, language: boolean): Record<string, string> {
  const [input, answer] = language && label !== undefined ? ['prompt', 'response'] : ['text', 'label'];
  return {
    ...(column === undefined ? {} : { [input]: column }),
    ...(label === undefined ? {} : { [answer]: label }),
  };
}

function figures({ metrics, values }: FolderMeasurement): string {
  const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
  return textTable(
    ['metric', 'value', '95 % interval'],
    metrics.map((m) => {
      const v = values[m.key];
      const show = m.format === 'percent' ? percent : (x: number) => x.toFixed(3);
      return [m.label, show(v.mean), v.low === undefined ? '' : `${show(v.low)} to ${show(v.high!)}`];
    }),
  );
}

/** The recipe of a run and its data, which `prepare` reads where rows of examples are not all there is. */
export async function testRowsOfRun(path: string, io: Io, prepare?: PrepareRows) {
  const recipe = join(path, 'recipe.yaml');
  if (!existsSync(recipe))
    throw new DecantError('usage', 'nothing to measure on', {
      at: path,
      fix: 'name a data source: decant eval FOLDER tickets.csv',
    });
  const loaded = await loadRecipe(recipe);
  const base = join(path, 'base.json');
  const from = existsSync(base)
    ? resolve(path, (JSON.parse(readFileSync(base, 'utf8')) as { baseDir: string }).baseDir)
    : io.cwd;
  const data = await checkData(loaded.recipe, from, io, undefined, true, prepare);
  return { recipe: loaded.recipe, data };
}
