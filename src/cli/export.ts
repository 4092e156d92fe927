import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { loadRecipe } from '../recipe/load.ts';
import { exportAgain } from '../run/export-again.ts';
import { PARITY_ROWS } from '../run/parity.ts';
import { DecantError } from '../util/errors.ts';
import { testRowsOfRun } from './eval.ts';
import { createOutput, type Io, textTable } from './io.ts';

interface Flags {
  format: string;
  seed?: number;
  arm: string;
  out?: string;
  json?: boolean;
}

const FORMATS = ['fp32', 'int8', 'int4'] as const;

/** `decant export`: a student of a finished run once more, from its checkpoint. */
export async function exportCommand(run: string, flags: Flags, io: Io): Promise<void> {
  const output = createOutput(io, flags);
  const formats = flags.format.split(',').map((f) => f.trim());
  const unknown = formats.find((f) => !(FORMATS as readonly string[]).includes(f));
  if (unknown !== undefined)
    throw new DecantError('usage', 'unknown format', {
      at: '--format',
      seen: unknown,
      allowed: FORMATS.join(', '),
    });
  if (flags.arm !== 'distilled' && flags.arm !== 'alone')
    throw new DecantError('usage', 'unknown arm', {
      at: '--arm',
      seen: flags.arm,
      allowed: 'distilled, alone',
    });
  const path = resolve(io.cwd, run);
  if (!existsSync(join(path, 'recipe.yaml')))
    throw new DecantError('usage', 'there is no run in this folder', {
      at: path,
      fix: 'give the folder that "decant run" printed',
    });
  const { recipe } = await loadRecipe(join(path, 'recipe.yaml'));
  const { data } = await testRowsOfRun(path, io);
  const name = [flags.arm, ...(flags.seed === undefined ? [] : [flags.seed]), ...formats].join('-');
  const out = flags.out ? resolve(io.cwd, flags.out) : join(path, 'exports', name);
  const result = await exportAgain(path, {
    formats: formats as (typeof FORMATS)[number][],
    seed: flags.seed,
    arm: flags.arm,
    keep: recipe.train.keep,
    lora: recipe.student.lora,
    tolerance: recipe.export.tolerance,
    out,
    sample: (data.splits.test?.items ?? []).slice(0, PARITY_ROWS),
  });
  output.result({ out, ...result }, () =>
    [
      `${flags.arm} student of seed ${result.seed} in ${relative(io.cwd, out) || '.'}`,
      textTable(
        ['file', 'bytes', 'largest difference', 'same first class'],
        result.files.map((f) => {
          const p = result.parity.find((x) => x.file === f.path);
          return [
            f.path,
            f.bytes.toLocaleString('en-US'),
            p ? p.maxDifference.toExponential(1) : '',
            p?.top1Agreement === undefined ? '' : `${(100 * p.top1Agreement).toFixed(1)} %`,
          ];
        }),
      ),
    ].join('\n'),
  );
}
