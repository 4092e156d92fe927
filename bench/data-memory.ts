/**
 * Memory of streamed data at 10 thousand and at 1 million rows:
 * `npm run bench:memory -- [--train classify|generate] [--json FILE] [rows ...]`. Each size runs in a process of its own: the
 * file is scanned, then read for one shuffled epoch; with --train a whole run streams it. `classify`: a teacher says something
 * about every row, a student trains on rows and signals from the disk. `generate`: a language model learns from a larger one
 * that is trained in place, batch by batch. The largest resident set is printed. A rise that follows the number of rows would
 * show here.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepareData } from '../src/data/prepare.ts';
import { type DataSpec, dataDefaults } from '../src/data/spec.ts';
import { ndarray } from '../src/graph/index.ts';
import { run } from '../src/index.ts';
import { createProgress } from '../src/run/progress.ts';
import { defineTeacher, type Teacher } from '../src/teachers/teacher.ts';
import { createRng } from '../src/util/rng.ts';

const WORDS =
  'card money transfer account order parcel late refund please today login address plan invoice street missing broken'.split(
    ' ',
  );

function writeRows(path: string, rows: number): void {
  const rng = createRng('data-memory');
  const file = openSync(path, 'w');
  writeSync(file, 'text,label\n');
  for (let from = 0; from < rows; from += 10_000) {
    let block = '';
    for (let i = from; i < Math.min(rows, from + 10_000); i++) {
      block += `request ${i}`;
      for (let w = 8 + rng.int(16); w > 0; w--) block += ` ${rng.pick(WORDS)}`;
      block += `,class${i % 20}\n`;
    }
    writeSync(file, block);
  }
  closeSync(file);
}

const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** The largest resident set from now on. */
function watchMemory(): { look(): void; end(): number } {
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 20);
  return {
    look,
    end() {
      clearInterval(timer);
      return mebibytes(peak);
    },
  };
}

async function measure(path: string): Promise<void> {
  const memory = watchMemory();
  const started = performance.now();
  const spec = {
    ...structuredClone(dataDefaults),
    train: { source: path },
    streaming: { buffer: 10_000 },
  } as DataSpec;
  const { splits, report } = await prepareData(spec, { task: 'classify', baseDir: '/' });
  const scanned = performance.now();
  let rows = 0;
  for await (const _ of splits.train.read({ seed: 1 })) if (++rows % 1000 === 0) memory.look();
  const seconds = (performance.now() - scanned) / 1000;
  console.log(
    JSON.stringify({
      rows: report.splits.train.rows,
      delivered: rows,
      heldOut: report.splits.test.kept + report.splits.validation.kept,
      fileMiB: mebibytes(statSync(path).size),
      peakRssMiB: memory.end(),
      scanSeconds: +((scanned - started) / 1000).toFixed(1),
      rowsPerSecond: Math.round(rows / seconds),
    }),
  );
}

interface Workload {
  readonly recipe: (path: string) => object;
  readonly teacher?: Teacher;
}

const shared = {
  version: 1,
  method: 'kd',
  train: { steps: 200, batchSize: 64, threads: 1 },
  evaluate: {
    bootstrap: 100,
    baselines: { withoutTeacher: false, linear: false },
    latency: { repeats: 1, batches: [1] },
    examples: 0,
  },
  export: { formats: ['fp32'] },
};
const streaming = { buffer: 10_000 };

/** A run of a few updates on every row's signal, by a teacher that costs nothing. */
function classify(): Workload {
  const classes = Array.from({ length: 20 }, (_, i) => `class${i}`);
  const teacher = defineTeacher({
    name: 'the number in the text',
    id: 'bench',
    classes,
    logits: async (examples) =>
      ndarray(
        Float32Array.from(
          examples.flatMap((e) => classes.map((_, c) => (Number(e.text!.split(' ')[1]) % 20 === c ? 3 : 0))),
        ),
        [examples.length, 20],
      ),
  });
  return {
    teacher,
    recipe: (path) => ({
      ...shared,
      task: 'classify',
      data: { train: path, validation: 0, test: 200, streaming, classes },
      teacher: { kind: 'custom', batchSize: 512 },
      student: { architecture: 'bag', options: { width: 16, buckets: 1024 } },
    }),
  };
}

/** A small language model learns from a larger one; both read the texts from the disk. */
function generate(): Workload {
  const model = (hidden: number) => ({
    architecture: 'gpt2',
    options: { layers: 1, hidden, heads: 2 },
    maxLength: 32,
    tokenizer: { kind: 'whitespace', vocabSize: 256 },
  });
  return {
    recipe: (path) => ({
      ...shared,
      task: 'generate',
      data: { train: path, validation: 0, test: 200, streaming, columns: { text: 'text' } },
      teacher: { kind: 'trained', ...model(32), train: { steps: 50, batchSize: 64 } },
      student: model(16),
    }),
  };
}

const workloads: Readonly<Record<string, () => Workload>> = { classify, generate };

async function measureRun(path: string, { recipe, teacher }: Workload): Promise<void> {
  const memory = watchMemory();
  const started = performance.now();
  const { report } = await run(recipe(path) as never, {
    out: `${path}.run`,
    teacher,
    progress: createProgress({ mode: 'silent' }),
  });
  console.log(
    JSON.stringify({
      rows: report.data.splits.find((s) => s.name === 'train')!.rows,
      fileMiB: mebibytes(statSync(path).size),
      peakRssMiB: memory.end(),
      seconds: Math.round((performance.now() - started) / 1000),
    }),
  );
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    train: { type: 'string' },
    json: { type: 'string' },
    // one size, in a process of its own
    file: { type: 'string' },
  },
});
if (flags.train !== undefined && !workloads[flags.train])
  throw new Error(`--train ${flags.train}: one of ${Object.keys(workloads).join(', ')}`);
if (flags.file !== undefined)
  await (flags.train === undefined ? measure(flags.file) : measureRun(flags.file, workloads[flags.train]()));
else {
  const sizes = positionals.map(Number);
  const rows: object[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'decant-bench-'));
  try {
    for (const count of sizes.length > 0 ? sizes : [10_000, 1_000_000]) {
      const path = join(folder, `${count}.csv`);
      writeRows(path, count);
      const own = [
        ...process.execArgv,
        fileURLToPath(import.meta.url),
        ...(flags.train === undefined ? [] : ['--train', flags.train]),
        '--file',
        path,
      ];
      const line = execFileSync(process.execPath, own, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      process.stdout.write(line);
      rows.push({ bench: 'memory', train: flags.train ?? null, ...(JSON.parse(line) as object) });
      rmSync(`${path}.run`, { recursive: true, force: true });
      rmSync(path);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 1)}\n`);
}
