import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from '../util/canonical-json.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { contentHash, fileHash, sha256 } from '../util/node/hash.ts';
import { openJsonl, scanJsonl } from '../util/node/jsonl.ts';

/** A finished step: what it was given and what came out. */
export interface StepRecord {
  /** Content hash of name, version and input. */
  hash: string;
  name: string;
  input: unknown;
  /** JSON value, or a reference where it was too large for a line. */
  output: { json: unknown } | { artifact: string };
  /** Files the step made: path to content hash. */
  files?: Record<string, string>;
  seconds: number;
  time: string;
}

export interface StepSpec<T> {
  name: string;
  /** Everything the output depends on, as JSON: configuration, seeds, content hashes of data, outputs of earlier steps. */
  input: unknown;
  /** Raise it when the code changes what comes out. */
  version?: number;
  /** Does the work; the result must survive JSON. */
  run(): T | Promise<T>;
  /** Files the step leaves behind, relative to `root`; a missing or changed one makes the step run again. */
  files?: (output: T) => readonly string[];
}

export interface StepJournal {
  /** The output of the step: from the journal when it ran before with equal input, else by running it. */
  step<T>(spec: StepSpec<T>): Promise<T>;
  /** Whether the step would be taken from the journal (its files are not checked). */
  has(name: string, input: unknown, version?: number): boolean;
  readonly records: readonly StepRecord[];
  close(): void;
}

/** Outputs longer than this go into a file of their own. */
const LINE_LIMIT = 64 << 10;

/**
 * Journal of a resumable pipeline: step = (hash, input, output). A step is written only after its work and its files
 * are finished, so a process killed at any byte repeats at most the step it was in.
 */
export function openStepJournal(path: string, options: { artifacts: string; root: string }): StepJournal {
  const records = new Map<string, StepRecord>();
  for (const { value } of scanJsonl<StepRecord>(path)) if (value?.hash) records.set(value.hash, value);
  const journal = openJsonl<StepRecord>(path, { syncEach: true });
  const hashOf = (name: string, input: unknown, version = 1): string => contentHash({ name, version, input });

  return {
    async step({ name, input, version, run, files }) {
      const hash = hashOf(name, input, version);
      const known = records.get(hash);
      if (known && (await filesAreWhole(known, options.root))) {
        const output = readOutput(known, options.artifacts);
        if (output) return output.json as Awaited<ReturnType<typeof run>>;
      }
      const begun = performance.now();
      const result = await run();
      const made: Record<string, string> = {};
      for (const file of files?.(result) ?? []) made[file] = await fileHash(join(options.root, file));
      const record: StepRecord = {
        hash,
        name,
        input,
        output: storeOutput(result, options.artifacts),
        ...(files ? { files: made } : {}),
        seconds: (performance.now() - begun) / 1000,
        time: new Date().toISOString(),
      };
      journal.append(record);
      records.set(hash, record);
      return result;
    },
    has: (name, input, version) => records.has(hashOf(name, input, version)),
    get records() {
      return [...records.values()];
    },
    close: () => journal.close(),
  };
}

function storeOutput(value: unknown, artifacts: string): StepRecord['output'] {
  const text = canonicalJson(value ?? null);
  if (text.length <= LINE_LIMIT) return { json: value ?? null };
  const hash = sha256(text);
  mkdirSync(artifacts, { recursive: true });
  writeFileAtomic(join(artifacts, `${hash}.json`), text);
  return { artifact: hash };
}

/** The stored value in a box; undefined where its file is gone or not what was written. */
function readOutput({ output }: StepRecord, artifacts: string): { json: unknown } | undefined {
  if ('json' in output) return output;
  const file = join(artifacts, `${output.artifact}.json`);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  return sha256(text) === output.artifact ? { json: JSON.parse(text) } : undefined;
}

async function filesAreWhole({ files = {} }: StepRecord, root: string): Promise<boolean> {
  for (const [file, hash] of Object.entries(files)) {
    const path = join(root, file);
    if (!existsSync(path) || (await fileHash(path)) !== hash) return false;
  }
  return true;
}
