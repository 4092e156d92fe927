/**
 * Measures what a run costs around the training itself: the share of training time inside the engine, memory of
 * streamed data, and `decant plan`. `npm run bench:run -- [--json FILE] [--cases engine,memory,plan] [--rows 10000,1000000]`
 *
 * `plan` needs the compiled program (npm run build). Times are of this machine; nothing else should run on it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '../src/index.ts';
import { createProgress } from '../src/run/progress.ts';

interface Row {
  bench: 'run';
  case: string;
  threads: number;
  metric: string;
  unit: string;
  ours: number;
  /** What it is held against: a limit of this project, or the same at another size. */
  peer: number;
  peerName: string;
  ratio: number;
}

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    cases: { type: 'string', default: 'engine,memory,plan' },
    rows: { type: 'string', default: '10000,1000000' },
    threads: { type: 'string', default: '2' },
  },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const threads = Number(flags.threads);
const rows: Row[] = [];
const add = (r: Omit<Row, 'bench' | 'threads' | 'ratio'>, note = ''): void => {
  rows.push({ bench: 'run', threads, ...r, ratio: r.ours / r.peer });
  console.log(
    `${r.case.padEnd(22)} ${r.metric.padEnd(22)} ${r.ours.toFixed(3).padStart(10)} ${r.unit.padEnd(4)} ${r.peerName} ${r.peer} ${note}`,
  );
};

/** Students of very different weight per step: a bag of n-grams, and a small transformer. */
const MODELS = {
  'quickstart (bag)': {
    teacher: {
      architecture: 'bag',
      options: { width: 96, ngrams: 3, hidden: [192] },
      train: { epochs: 2, batchSize: 64 },
    },
    student: { architecture: 'bag', options: { width: 16, ngrams: 2, buckets: 2048, dropout: 0.1 } },
  },
  'transformer (bert)': {
    teacher: {
      architecture: 'bert',
      options: { layers: 2, hidden: 96, heads: 4 },
      train: { epochs: 1, batchSize: 32 },
    },
    student: { architecture: 'bert', options: { layers: 1, hidden: 48, heads: 4 } },
  },
} as const;

async function engineShare(): Promise<void> {
  for (const [name, { teacher, student }] of Object.entries(MODELS)) {
    const out = mkdtempSync(join(tmpdir(), 'decant-bench-run-'));
    const source = (split: string): string => `builtin:support-requests#${split}`;
    try {
      const { clock, report } = await run(
        {
          version: 1,
          task: 'classify',
          data: {
            train: source('train'),
            validation: source('validation'),
            test: source('test'),
            unlabeled: { source: source('unlabeled'), limit: 2000 },
            teacher: { source: source('history'), limit: 2000 },
          },
          teacher: { kind: 'trained', ...teacher },
          student,
          method: 'kd',
          train: { epochs: 2, batchSize: 64, threads },
          evaluate: { bootstrap: 100, latency: { repeats: 3 }, baselines: { linear: false } },
          export: { formats: ['fp32'] },
        },
        { out: join(out, 'run'), baseDir: root, progress: createProgress({ mode: 'silent' }) },
      );
      const about = `(${(clock.trainMs / 1000).toFixed(1)} s of training, ${report.arms.length} models)`;
      const share = (metric: string, ours: number, peer: number, peerName: string): void =>
        add({ case: name, metric, unit: '', ours, peer, peerName }, about);
      share('steps inside the engine', clock.engineMs / (clock.trainMs - clock.compileMs), 0.9, 'at least');
      // a graph is compiled once for each length of batches: the longer the training, the less it weighs
      share('compiling', clock.compileMs / clock.trainMs, 1, 'of');
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  }
}

function streamedMemory(): void {
  const out = execFileSync(
    process.execPath,
    ['--import', 'tsx', join(root, 'bench/data-memory.ts'), ...flags.rows.split(',')],
    { encoding: 'utf8', cwd: root },
  );
  const sizes = out
    .trim()
    .split('\n')
    .map(
      (l) => JSON.parse(l) as { rows: number; peakRssMiB: number; fileMiB: number; rowsPerSecond: number },
    );
  const [first] = sizes;
  for (const s of sizes)
    add(
      {
        case: `stream ${s.rows.toLocaleString('en')} rows`,
        metric: 'largest resident set',
        unit: 'MiB',
        ours: s.peakRssMiB,
        peer: first.peakRssMiB,
        peerName: `at ${first.rows} rows`,
      },
      `(file ${s.fileMiB} MiB, ${s.rowsPerSecond} rows/s)`,
    );
}

function planTime(): void {
  const main = join(root, 'dist/cli/main.js');
  if (!existsSync(main)) throw new Error('dist/ is missing: npm run build');
  // the shell's own account of its children: user and system time
  const times = (): number => {
    const out = execFileSync(
      'bash',
      ['-c', '"$0" "$1" plan recipes/quickstart.yaml > /dev/null && times', process.execPath, main],
      { encoding: 'utf8', cwd: root, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const [user, system] = out.trim().split('\n')[1].split(' ');
    const seconds = (t: string): number => {
      const [minutes, rest] = t.replace('s', '').split('m');
      return 60 * Number(minutes) + Number(rest);
    };
    return seconds(user) + seconds(system);
  };
  add({
    case: 'plan quickstart',
    metric: 'processor time',
    unit: 's',
    ours: Math.min(times(), times(), times()),
    peer: 1,
    peerName: 'at most',
  });
}

const chosen = flags.cases.split(',');
if (chosen.includes('plan')) planTime();
if (chosen.includes('engine')) await engineShare();
if (chosen.includes('memory')) streamedMemory();
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 1)}\n`);
