import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { openServedModel, type ServedModel } from '../run/served-model.ts';
import { DecantError } from '../util/errors.ts';
import { didYouMean } from '../util/suggest.ts';
import type { Io } from './io.ts';

const DTYPES = ['fp32', 'q8', 'q4'] as const;
export type Dtype = (typeof DTYPES)[number];

/** The model folder itself, or the one inside a run folder. */
export const modelFolderOf = (path: string): string =>
  existsSync(join(path, 'model', 'config.json')) ? join(path, 'model') : path;

/** The value of `--dtype`. Errors: `usage`. */
export function dtypeOf(dtype: string | undefined): Dtype {
  if (DTYPES.includes(dtype as Dtype)) return dtype as Dtype;
  throw new DecantError('usage', 'unknown dtype', {
    at: '--dtype',
    seen: dtype,
    allowed: DTYPES.join(', '),
  });
}

/** `did you mean "runs/first"?` among the folders beside. */
function nearby(path: string): string | undefined {
  const beside = dirname(path);
  if (!existsSync(beside)) return undefined;
  const folders = readdirSync(beside, { withFileTypes: true }).filter((e) => e.isDirectory());
  return didYouMean(
    basename(path),
    folders.map((e) => e.name),
  );
}

/** Opens the folder that a command names: a classifier, a language model or an embedder, as its config says. */
export async function openFolder(
  folder: string,
  flags: { dtype?: string },
  io: Pick<Io, 'cwd'>,
): Promise<ServedModel & { path: string; dtype: Dtype }> {
  const path = resolve(io.cwd, folder);
  const dtype = dtypeOf(flags.dtype);
  if (!existsSync(path))
    throw new DecantError('usage', 'there is no such folder', {
      at: path,
      allowed: 'the folder of a run, or a model folder',
      fix: nearby(path),
    });
  return { ...(await openServedModel(modelFolderOf(path), { dtype })), path, dtype };
}
