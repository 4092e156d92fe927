import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../index.ts';
import { parseRecipe } from '../recipe/parse.ts';
import { createRng } from '../util/rng.ts';
import { openPredictor } from './predict.ts';
import { createProgress } from './progress.ts';
import { checkSettings } from './settings-check.ts';
import { runnerOf } from './tasks.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-settings-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Short requests of two classes, from two shops. */
function rows(n: number, seed: string): string {
  const rng = createRng(seed);
  const lines = Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? 'card' : 'transfer';
    const thing = rng.pick(i % 2 === 0 ? ['card', 'chip', 'pin'] : ['send', 'iban', 'payee']);
    const text = `${rng.pick(['my', 'please', 'today'])} ${thing} ${rng.pick(['with', 'now'])} ${rng.int(1e4)}`;
    return JSON.stringify({ text, label, shop: rng.pick(['north', 'south']) });
  });
  return `${lines.join('\n')}\n`;
}
beforeAll(() => {
  writeFileSync(join(work, 'train.jsonl'), rows(64, 'train'));
  writeFileSync(join(work, 'test.jsonl'), rows(40, 'test'));
});

const recipe = (change: Record<string, Record<string, unknown>> = {}) => ({
  version: 1,
  name: 'tiny',
  task: 'classify',
  data: { train: 'train.jsonl', validation: 0, test: 'test.jsonl', keep: ['shop'] },
  teacher: { kind: 'trained', architecture: 'bag', options: { width: 8, buckets: 64 }, train: { epochs: 3 } },
  student: { architecture: 'bag', options: { width: 4, ngrams: 1 }, ...change.student },
  method: 'kd',
  train: { steps: 4, batchSize: 16, ...change.train },
  evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] }, ...change.evaluate },
  export: { formats: ['fp32'], ...change.export },
});
let count = 0;
const go = (r: Record<string, unknown>) =>
  run(r, {
    out: join(work, `run-${count++}`),
    baseDir: work,
    progress: createProgress({ mode: 'silent' }),
  });

it('trains adapters on a frozen base and exports them merged', async () => {
  const encoder = { layers: 1, hidden: 16, heads: 2 };
  const student = { architecture: 'bert', options: encoder, maxLength: 16 };
  const first = await go(recipe({ student }));
  const { model, out } = await go(
    recipe({ student: { ...student, lora: { rank: 2, alpha: 4, targets: ['query', 'value'] } } }),
  );
  const read = async (folder: string) => {
    const { readModelFolder } = await import('../export/folder.ts');
    const { diskFolder } = await import('../util/node/disk-folder.ts');
    return (await readModelFolder(diskFolder(folder), ['weights'])).checkpoint!.readAll();
  };
  const [plain, adapted] = [await read(first.model.folder), await read(model.folder)];
  expect([...adapted.keys()].sort()).toEqual([...plain.keys()].sort());
  const { init } = await import('../nn/model.ts');
  const { modelFromConfig } = await import('../nn/auto.ts');
  const config = JSON.parse(readFileSync(join(model.folder, 'config.json'), 'utf8'));
  const start = init(modelFromConfig(config) as never, '1/init');
  const moved = [...adapted.keys()].filter((n) => `${adapted.get(n)!.data}` !== `${start[n].data}`);
  // adapted projections and the head, nothing else
  expect(moved.sort()).toEqual([
    'bert.encoder.layer.0.attention.self.query.weight',
    'bert.encoder.layer.0.attention.self.value.weight',
    'classifier.bias',
    'classifier.weight',
  ]);
  // the same student from its checkpoint
  const { exportAgain } = await import('./export-again.ts');
  const again = join(work, 'again');
  await exportAgain(out, {
    formats: ['fp32'],
    keep: 'last',
    lora: { rank: 2, alpha: 4, targets: ['query', 'value'] },
    tolerance: 1e-4,
    out: again,
    sample: [{ file: 'x', line: 1, text: 'my card' }],
  });
  const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
  expect(weights(again).equals(weights(model.folder))).toBe(true);
}, 60_000);

it('trains with another dropout', async () => {
  const a = await go(recipe());
  const b = await go(recipe({ train: { dropout: 0.6 } }));
  const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
  expect(weights(a.model.folder).equals(weights(b.model.folder))).toBe(false);
}, 60_000);

it('gives results by slice, the chosen figures, and a card with a licence or none', async () => {
  const { report, model } = await go(
    recipe({
      evaluate: { slices: ['shop'], metrics: ['agreement', 'ece'] },
      export: { licence: 'apache-2.0' },
    }),
  );
  expect(report.slices!.metric).toBe('accuracy');
  expect(report.slices!.rows.map((r) => r.slice).sort()).toEqual(['shop: north', 'shop: south']);
  expect(report.slices!.rows.reduce((n, r) => n + r.count, 0)).toBe(40);
  // the parts make the whole
  const distilled = report.arms.find((a) => a.id === 'distilled')!;
  const whole = report.slices!.rows.reduce((s, r) => s + r.count * r.values.distilled.mean, 0) / 40;
  expect(whole).toBeCloseTo(distilled.values.accuracy.mean, 10);
  expect(report.metrics.map((m) => m.key)).toEqual(['accuracy', 'ece', 'agreement']);
  expect(Object.keys(distilled.values).sort()).toEqual(['accuracy', 'agreement', 'ece']);
  expect(readFileSync(join(model.folder, 'README.md'), 'utf8')).toContain('license: "apache-2.0"');
  const bare = await go(recipe({ export: { card: false } }));
  expect(existsSync(join(bare.model.folder, 'README.md'))).toBe(false);
}, 60_000);

it('runs on the float64 interpreter', async () => {
  const { report, model } = await go(recipe({ train: { engine: 'reference', steps: 2 } }));
  expect(report.environment.find((f) => f.name === 'Engine')!.value).toMatch(/reference/);
  const student = await openPredictor(model.folder);
  expect((await student.predict(['my card'])).length).toBe(1);
  await student.close();
}, 60_000);

it('keeps the teacher in the form that is asked for, and says what that costs', async () => {
  const five = Array.from({ length: 60 }, (_, i) => {
    const label = ['a', 'b', 'c', 'd', 'e'][i % 5];
    return JSON.stringify({ text: `${label}${label} number ${i}`, label });
  });
  writeFileSync(join(work, 'five.jsonl'), `${five.join('\n')}\n`);
  const stored = async (store: Record<string, unknown>, method = 'kd') => {
    const base = recipe();
    const { report, out } = await go({
      ...base,
      data: { train: 'five.jsonl', validation: 0, test: 0.25 },
      teacher: { ...base.teacher, store },
      method,
    });
    const { openSignalStore } = await import('../teachers/store/index.ts');
    const signals = openSignalStore(join(out, 'signals'));
    const forms = signals.stats().bySource.map((s) => `${s.form}: ${s.records}`);
    await signals.close();
    const fact = report.environment.find((f) => f.name === 'Teacher signals on disk')!.value;
    expect(report.cost!.total).toBe('0');
    return { forms: forms.sort(), fact };
  };
  // 15 test rows are kept whole, to measure on
  expect((await stored({})).fact).toMatch(/^whole, float32: .* exact$/);
  const half = await stored({ dtype: 'float16' });
  expect(half.forms).toEqual(['logits16: 45', 'logits32: 15']);
  expect(half.fact).toMatch(/^whole, float16: .*largest change of a probability \d/);
  const top = await stored({ format: 'topk', k: 2 });
  expect(top.forms).toEqual(['logits32: 15', 'topk32: 45']);
  expect(top.fact).toMatch(/^top 2 and the rest, float32: .*mean mass of the rest \d/);
  expect((await stored({ format: 'packed', k: 3 })).forms).toEqual(['logits32: 15', 'packed: 45']);
  await expect(stored({ format: 'topk', k: 2 }, 'pld')).rejects.toThrow(
    /teacher\.store\.format: pld needs whole distributions.*dense/,
  );
}, 60_000);

const BASE = `version: 1
task: classify
data: { train: builtin:support-requests }
teacher: { kind: trained, architecture: bag }
student: { architecture: bag }
method: kd
`;
const check = async (...set: string[]) => {
  const parsed = parseRecipe(BASE, { file: 'r.yaml', set }).recipe;
  await checkSettings(parsed, runnerOf(parsed.task));
};

it('refuses what a run cannot honour before anything is spent', async () => {
  await expect(check()).resolves.toBeUndefined();
  await expect(check('train.engine=web')).rejects.toThrow(/train\.engine: the web engine runs in a browser/);
  await expect(check('evaluate.metrics=[acuracy]')).rejects.toThrow(
    /evaluate\.metrics\.0: unknown metric.*did you mean .*accuracy/,
  );
});
