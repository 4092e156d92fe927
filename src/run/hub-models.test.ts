import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../index.ts';
import { parseRecipe } from '../recipe/parse.ts';
import { type HubServer, startHubServer } from '../util/node/testing/hub-server.ts';
import { fetchHubModels } from './hub-models.ts';
import { createProgress } from './progress.ts';
import { writeTinyClassifier } from './testing/tiny-folders.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-hub-run-'));
let server: HubServer;
const before = { ...process.env };
beforeAll(async () => {
  await writeTinyClassifier(join(work, 'made'), ['card', 'transfer']);
  const names = readdirSync(join(work, 'made')).filter((n) => n !== 'onnx');
  const files = Object.fromEntries(names.map((n) => [n, readFileSync(join(work, 'made', n))]));
  server = await startHubServer('acme/tiny', files, ['model.safetensors']);
  Object.assign(process.env, { HF_ENDPOINT: server.url, HF_HUB_CACHE: join(work, 'cache') });
  const rows = Array.from({ length: 40 }, (_, i) => {
    const label = i % 2 === 0 ? 'card' : 'transfer';
    return JSON.stringify({ text: `my ${label} number ${i}`, label });
  });
  writeFileSync(join(work, 'rows.jsonl'), `${rows.join('\n')}\n`);
});
afterAll(async () => {
  process.env = before;
  await server.close();
  rmSync(work, { recursive: true, force: true });
});

const quiet = createProgress({ mode: 'silent' });
const recipe = {
  version: 1,
  task: 'classify',
  data: { train: 'rows.jsonl', validation: 0, test: 0.5 },
  teacher: { kind: 'hub', model: 'acme/tiny' },
  student: { from: 'hub:acme/tiny' },
  method: 'kd',
  train: { steps: 2 },
  evaluate: { bootstrap: 100, latency: { repeats: 1, batches: [1] }, baselines: { withoutTeacher: false } },
  export: { formats: ['fp32'] },
};

it('takes teacher and student from the hub, and names them as the recipe does', async () => {
  const { report } = await run(recipe, { out: join(work, 'run'), baseDir: work, progress: quiet });
  const about = Object.fromEntries(report.arms.map((a) => [a.id, a.about]));
  expect(about.teacher).toMatch(/hub:acme\/tiny/);
  expect(about.distilled).toBe('hub:acme/tiny');
  expect(report.recipe).toContain('hub:acme/tiny');
  // a student that starts as its teacher still says what it says
  expect(report.arms.find((a) => a.id === 'distilled')!.values.agreement.mean).toBeGreaterThan(0.8);
}, 60_000);

it('fails before anything is trained when the hub does not have the model', async () => {
  const text = JSON.stringify({ ...recipe, student: { from: 'hub:acme/other' } });
  const parsed = parseRecipe(text, { file: 'r.yaml' }).recipe;
  await expect(fetchHubModels(parsed, quiet)).rejects.toThrow(/acme\/other/);
});
