import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { contentHash } from '../util/node/hash.ts';
import { acquireLock, type FileLock } from '../util/node/lock.ts';

/** Where everything of one run lies; the folder is the truth, all else only reads it. */
export interface RunFolder {
  readonly path: string;
  /** The resolved recipe that was run. */
  readonly recipe: string;
  /** What happened, in order. */
  readonly events: string;
  /** Loss terms and evaluations by step. */
  readonly metrics: string;
  /** Journal of finished pipeline steps. */
  readonly steps: string;
  /** Outputs of steps that are too large for the journal, by content hash. */
  readonly artifacts: string;
  /** Teacher signals, unless the recipe names a store that several runs share. */
  readonly signals: string;
  readonly model: string;
  /** Rows of the data that were not used, with the reason; absent when there are none. */
  readonly putAside: string;
  readonly report: string;
  readonly reportData: string;
  readonly log: string;
  readonly lock: string;
  /** Where relative paths of the recipe start. */
  readonly base: string;
  /** Checkpoints of one training: an arm (teacher, student, distilled) with one seed. */
  checkpoints(arm: string, seed: number | string): string;
}

/** The paths of a run; touches no file. */
export function runFolder(path: string): RunFolder {
  const root = resolve(path);
  return {
    path: root,
    recipe: join(root, 'recipe.yaml'),
    events: join(root, 'events.jsonl'),
    metrics: join(root, 'metrics.jsonl'),
    steps: join(root, 'steps.jsonl'),
    artifacts: join(root, 'artifacts'),
    signals: join(root, 'signals'),
    model: join(root, 'model'),
    putAside: join(root, 'rows-put-aside.jsonl'),
    report: join(root, 'report.html'),
    reportData: join(root, 'report.json'),
    log: join(root, 'run.log'),
    lock: join(root, '.lock'),
    base: join(root, 'base.json'),
    checkpoints: (arm, seed) => join(root, 'checkpoints', `${safeName(arm)}-${safeName(String(seed))}`),
  };
}

export interface OpenedRun {
  folder: RunFolder;
  /** The folder held a run of this recipe already. */
  resumed: boolean;
  /** Gives the folder free. */
  close(): void;
}

/** Whether two recipes say the same, in whatever order. */
const sameRecipe = (a: string, b: string): boolean =>
  contentHash(parseDocument(a).toJS()) === contentHash(parseDocument(b).toJS());

/**
 * Takes a folder for a run: makes it, locks it, and writes the resolved recipe. A folder with another recipe, or
 * with files that are no run, is refused; one with the same recipe is resumed only with `resume`. A run that ended
 * before it made anything (data not found, a pair that does not fit) leaves its folder to the next one.
 */
export function openRun(path: string, recipe: string, options: { resume?: boolean } = {}): OpenedRun {
  const folder = runFolder(path);
  const known = existsSync(folder.recipe);
  if (!known && options.resume)
    throw new DecantError('usage', 'there is no run to resume', {
      at: folder.path,
      fix: 'give the folder of a run, or start one without --resume',
    });
  if (!known && existsSync(folder.path) && readdirSync(folder.path).some((f) => !f.startsWith('.')))
    throw new DecantError('usage', 'the output folder is not empty and holds no run', {
      at: folder.path,
      fix: 'choose an empty or new folder with --out',
    });
  mkdirSync(folder.path, { recursive: true });
  const lock: FileLock = acquireLock(folder.lock, 'the run folder');
  let resumed = false;
  try {
    resumed = known && !madeNothing(folder);
    if (resumed) {
      const before = readFileSync(folder.recipe, 'utf8');
      if (!sameRecipe(before, recipe))
        throw new DecantError('usage', 'the folder holds a run of another recipe', {
          at: folder.recipe,
          seen: firstDifference(before, recipe),
          fix: 'choose another folder with --out, or resume with the recipe unchanged',
        });
      if (!options.resume)
        throw new DecantError('usage', 'the folder holds this run already', {
          at: folder.path,
          fix: 'go on with --resume, or choose another folder with --out',
        });
    } else writeFileAtomic(folder.recipe, recipe);
  } catch (error) {
    lock.release();
    throw error;
  }
  return { folder, resumed, close: () => lock.release() };
}

/** Neither checkpoints nor signals, steps, figures or a model: nothing that could be lost. */
function madeNothing(folder: RunFolder): boolean {
  const early = [folder.recipe, folder.base, folder.events, folder.log, folder.lock, folder.putAside];
  return readdirSync(folder.path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder.path, name))
    .every((path) => early.includes(path) || statSync(path).isDirectory() || statSync(path).size === 0);
}

function firstDifference(before: string, now: string): string {
  const a = before.split('\n');
  const b = now.split('\n');
  // a comment differs whenever anything does: it holds the hash
  const line = a.findIndex((text, i) => text !== b[i] && !text.startsWith('#'));
  const at = line < 0 ? a.length : line;
  return `line ${at + 1}: ${(a[at] ?? '(nothing)').trim()} -> ${(b[at] ?? '(nothing)').trim()}`;
}

const safeName = (name: string): string => name.replace(/[^A-Za-z0-9._-]+/g, '-') || 'unnamed';
