/**
 * What an API's signals are worth: one teacher, trained here and served over HTTP by `decant serve`, and one student per
 * kind of signal: labels alone, the k likeliest classes, and for comparison all of the teacher's logits from its folder.
 * `DECANT_DATA=… npm run bench:api-quality -- [work folder] [temperature]`. The teacher has never seen the rows it is asked about.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { prepareData } from '../src/data/prepare.ts';
import type { ReportData } from '../src/evaluate/report/data.ts';
import { run } from '../src/index.ts';
import { dataSpecOf } from '../src/recipe/data-spec.ts';
import { loadRecipe } from '../src/recipe/load.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const recipe = join(root, 'recipes/api/banking77-api.yaml');
const work = resolve(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'decant-api-quality-')));
const temperature = Number(process.argv[3] ?? 1);
const base = parse(readFileSync(recipe, 'utf8')) as Record<string, Record<string, Record<string, unknown>>>;
mkdirSync(work, { recursive: true });

const teacherFolder = await trainTeacher();
const server = await serve(teacherFolder);
const keys = ['accuracy', 'agreement', 'kl', 'nll', 'ece'];
const table: string[][] = [];
try {
  const api = { ...base.teacher, baseURL: `${server.url}/v1` };
  await arm('hard labels', { teacher: { ...api, signals: ['text'] } });
  // the signals that a provider gives differ in k: 20 is the most that OpenAI's interface knows
  for (const topLogprobs of [5, 20])
    await arm(`top-${topLogprobs} log-probabilities`, { teacher: { ...api, topLogprobs } });
  const local = { kind: 'folder', path: teacherFolder };
  await arm('all logits', { teacher: local });
  await arm('gold labels, no teacher', {
    teacher: local,
    data: { ...base.data, train: { ...base.data.train, unlabelled: false } },
    method: 'supervised',
    train: { ...base.train, probe: false },
  });
} finally {
  server.stop();
}
console.log(`\n| signal | ${keys.join(' | ')} |\n| --- | ${keys.map(() => '---').join(' | ')} |`);
for (const row of table) console.log(`| ${row.join(' | ')} |`);

/** Trains the teacher on the rows that the recipe's sample leaves over; gives its model folder. */
async function trainTeacher(): Promise<string> {
  const out = join(work, 'teacher');
  const folder = join(out, 'model');
  if (existsSync(join(out, 'report.json'))) return folder;
  const { recipe: asked } = await loadRecipe(recipe, {});
  const dataRoot = process.env.DECANT_DATA;
  const spec = dataSpecOf(asked);
  const pool = await prepareData(spec, { task: 'classify', baseDir: root, dataRoot });
  const taken = new Set(pool.splits.train.items!.map((e) => e.text));
  const all = await prepareData(
    { ...spec, train: { source: 'dataset:banking77#train' } },
    { task: 'classify', baseDir: root, dataRoot },
  );
  const rows = all.splits.train.items!.filter((e) => !taken.has(e.text));
  const file = join(work, 'teacher-rows.jsonl');
  writeFileSync(
    file,
    rows.map((e) => `${JSON.stringify({ text: e.text, label: all.classes![e.label!] })}\n`).join(''),
  );
  console.log(`teacher: ${rows.length} rows, none of the ${taken.size} of the student`);
  const model = {
    architecture: 'bag',
    options: { width: 160, ngrams: 2, buckets: 16384, hidden: [320], dropout: 0.3 },
    tokenizer: { kind: 'wordpiece', vocabSize: 4096 },
  };
  const train = { epochs: 15, batchSize: 64, optimizer: { lr: 2e-3 } };
  await run(
    {
      version: 1,
      name: 'banking77-teacher',
      task: 'classify',
      data: { train: file, test: 'dataset:banking77#test', validation: 0, classes: all.classes },
      teacher: { kind: 'trained', ...model, train, ensemble: 3 },
      student: model,
      method: { name: 'kd', options: { temperature: 2, alpha: 0.2 } },
      train: { ...train, threads: 1 },
      evaluate: { baselines: { withoutTeacher: false, linear: false } },
    },
    { out, dataRoot },
  );
  return folder;
}

/** `decant serve` in a process of its own. */
async function serve(folder: string): Promise<{ url: string; stop(): void }> {
  const cli = join(root, 'src/cli/main.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', cli, 'serve', folder, '--port', '0', '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  const url = await new Promise<string>((done, failed) => {
    child.on('exit', (code) => failed(new Error(`decant serve ended with ${code}`)));
    child.stdout.on('data', (part) => {
      said += part;
      try {
        done((JSON.parse(said) as { url: string }).url);
      } catch {
        // not all of it yet
      }
    });
  });
  return { url, stop: () => child.kill() };
}

async function arm(name: string, changes: Readonly<Record<string, unknown>>): Promise<void> {
  const cpu = process.cpuUsage();
  const out = join(work, name.replace(/\W+/g, '-'));
  const kd = { name: 'kd', options: { temperature, alpha: 0 } };
  const alone = { baselines: { withoutTeacher: false, linear: false } };
  const train = { ...base.train, ...(changes.train ?? {}), threads: 1 };
  const asked = { ...base, method: kd, evaluate: alone, ...changes, train };
  const finished = join(out, 'report.json');
  const { arms } = existsSync(finished)
    ? (JSON.parse(readFileSync(finished, 'utf8')) as ReportData)
    : (await run(asked, { out, baseDir: root })).report;
  const { user, system } = process.cpuUsage(cpu);
  const value = (role: string): string[] => {
    const found = arms.find((a) => a.role === role)!;
    return keys.map((k) => {
      const v = found.values[k];
      if (!v) return '–';
      const percent = k === 'accuracy' || k === 'agreement' || k === 'ece';
      const show = (x: number): string => (percent ? (100 * x).toFixed(1) : x.toFixed(3));
      return v.sd === undefined ? show(v.mean) : `${show(v.mean)} ± ${show(v.sd)}`;
    });
  };
  if (table.length === 0) table.push(['teacher', ...value('teacher')]);
  table.push([name, ...value('distilled')]);
  console.log(`${name}: ${((user + system) / 1e6).toFixed(0)} s processor time`);
}
