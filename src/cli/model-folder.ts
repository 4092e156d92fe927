import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openServedModel, type ServedModel } from '../run/served-model.ts';
import { DecantError } from '../util/errors.ts';
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

/** Opens the folder that a command names: a classifier, a language model or an embedder, as its config says. */
export async function openFolder(
  folder: string,
  flags: { dtype?: string },
  io: Pick<Io, 'cwd'>,
): Promise<ServedModel & { path: string; dtype: Dtype }> {
  const path = resolve(io.cwd, folder);
  const dtype = dtypeOf(flags.dtype);
  return { ...(await openServedModel(modelFolderOf(path), { dtype })), path, dtype };
}
