/**
 * Memory of streamed data at 10 thousand and at 1 million rows: `npx tsx bench/data-memory.ts [--train] [rows ...]`.
 * Each size runs in a process of its own: the file is scanned, then read for one shuffled epoch; with --train a whole run
 * streams them: a teacher says something about every row, a student trains on rows and signals from the disk. The largest
 * resident set is printed. A rise that follows the number of rows would show here.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareData } from '../src/data/prepare.ts';
import { type DataSpec, dataDefaults } from '../src/data/spec.ts';
import { ndarray } from '../src/graph/index.ts';
import { run } from '../src/index.ts';
import { createProgress } from '../src/run/progress.ts';
import { defineTeacher } from '../src/teachers/teacher.ts';
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

async function measure(path: string): Promise<void> {
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 20);
  const started = performance.now();
  const spec = {
    ...structuredClone(dataDefaults),
    train: { source: path },
    streaming: { buffer: 10_000 },
  } as DataSpec;
  const { splits, report } = await prepareData(spec, { task: 'classify', baseDir: '/' });
  const scanned = performance.now();
  let rows = 0;
  for await (const _ of splits.train.read({ seed: 1 })) if (++rows % 1000 === 0) look();
  clearInterval(timer);
  const seconds = (performance.now() - scanned) / 1000;
  console.log(
    JSON.stringify({
      rows: report.splits.train.rows,
      delivered: rows,
      heldOut: report.splits.test.kept + report.splits.validation.kept,
      fileMiB: mebibytes(statSync(path).size),
      peakRssMiB: mebibytes(peak),
      scanSeconds: +((scanned - started) / 1000).toFixed(1),
      rowsPerSecond: Math.round(rows / seconds),
    }),
  );
}

/** A run of a few updates on every row's signal, by a teacher that costs nothing. */
async function measureRun(path: string): Promise<void> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const started = performance.now();
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
  const { report } = await run(
    {
      version: 1,
      task: 'classify',
      data: { train: path, validation: 0, test: 200, streaming: { buffer: 10_000 }, classes },
      teacher: { kind: 'custom', batchSize: 512 },
      student: { architecture: 'bag', options: { width: 16, buckets: 1024 } },
      method: 'kd',
      train: { steps: 200, batchSize: 64, threads: 1 },
      evaluate: {
        bootstrap: 100,
        baselines: { withoutTeacher: false, linear: false },
        latency: { repeats: 1, batches: [1] },
      },
      export: { formats: ['fp32'] },
    } as never,
    { out: `${path}.run`, teacher, progress: createProgress({ mode: 'silent' }) },
  );
  clearInterval(timer);
  console.log(
    JSON.stringify({
      rows: report.data.splits.find((s) => s.name === 'train')!.rows,
      fileMiB: mebibytes(statSync(path).size),
      peakRssMiB: mebibytes(peak),
      seconds: Math.round((performance.now() - started) / 1000),
    }),
  );
}

if (process.argv[2] === '--measure') await measure(process.argv[3]);
else if (process.argv[2] === '--measure-run') await measureRun(process.argv[3]);
else {
  const given = process.argv.slice(2);
  const training = given.includes('--train');
  const sizes = given.filter((a) => a !== '--train').map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'decant-bench-'));
  try {
    for (const rows of sizes.length > 0 ? sizes : [10_000, 1_000_000]) {
      const path = join(folder, `${rows}.csv`);
      writeRows(path, rows);
      execFileSync(
        process.execPath,
        [...process.execArgv, fileURLToPath(import.meta.url), training ? '--measure-run' : '--measure', path],
        { stdio: 'inherit' },
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
