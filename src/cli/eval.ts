import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { loadRecipe } from '../recipe/load.ts';
import { measureFolder, rowsToMeasure } from '../run/measure-folder.ts';
import { openPredictor } from '../run/predict.ts';
import { DecantError } from '../util/errors.ts';
import { checkData } from './inspect.ts';
import { createOutput, type Io, textTable } from './io.ts';
import { modelFolderOf } from './predict.ts';

interface Flags {
  column?: string;
  label?: string;
  dtype?: string;
  json?: boolean;
}

/** `decant eval`: metrics of an exported classifier on a data source, or on the test rows of its run. */
export async function evalCommand(
  folder: string,
  source: string | undefined,
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
  const path = resolve(io.cwd, folder);
  const predictor = await openPredictor(modelFolderOf(path), { dtype: flags.dtype });
  try {
    if (predictor.classes.length === 0)
      throw new DecantError('model', 'only classifiers can be measured with decant eval', {
        at: join(path, 'config.json'),
        seen: 'no id2label',
      });
    let aside = 0;
    const columns = {
      ...(flags.column === undefined ? {} : { text: flags.column }),
      ...(flags.label === undefined ? {} : { label: flags.label }),
    };
    const data = source
      ? await rowsToMeasure(source, predictor, {
          baseDir: io.cwd,
          dataRoot: io.env.DECANT_DATA,
          env: io.env,
          columns,
          onProblem(p) {
            if (p.kept) return;
            if (aside++ < 5) output.note(`${p.file}:${p.line}: ${p.message} (put aside)`);
          },
        })
      : await testRowsOfRun(path, io);
    const rows = data.splits.test?.items ?? [];
    const measured = await measureFolder(predictor, rows);
    if (aside > 5) output.note(`${aside - 5} further rows were put aside`);
    const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
    output.result(
      {
        model: path,
        data: source ?? data.report.splits.test?.source,
        dtype: flags.dtype,
        putAside: aside,
        ...measured,
      },
      () =>
        [
          `${relative(io.cwd, path) || '.'} (${flags.dtype}) on ${source ?? data.report.splits.test?.source}: ${measured.labelled} labelled rows of ${measured.rows}`,
          textTable(
            ['metric', 'value', '95 % interval'],
            measured.metrics.map((m) => {
              const v = measured.values[m.key];
              const show = m.format === 'percent' ? percent : (x: number) => x.toFixed(3);
              return [m.label, show(v.mean), v.low === undefined ? '' : `${show(v.low)} to ${show(v.high!)}`];
            }),
          ),
          output.colour.dim(`${Math.round(measured.throughput)} rows a second`),
        ].join('\n'),
    );
  } finally {
    await predictor.close();
  }
}

/** The test rows of a run's own recipe. */
export async function testRowsOfRun(path: string, io: Io) {
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
  return checkData(loaded.recipe, from, io, undefined, true);
}
