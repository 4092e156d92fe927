import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSignalStore } from '../src/teachers/store/index.ts';
import { createRng } from '../src/util/rng.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'decant-resume-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const sizes = '{ train: 120, validation: 40, test: 150, unlabeled: 400, history: 400 }';
const recipe = join(work, 'recipe.yaml');
writeFileSync(
  recipe,
  `version: 1
name: resume
task: classify
data:
  train: builtin:support-requests#train
  validation: builtin:support-requests#validation
  test: builtin:support-requests#test
  unlabeled: builtin:support-requests#unlabeled
  teacher: builtin:support-requests#history
  options: ${sizes}
teacher:
  kind: trained
  architecture: bag
  options: { width: 24, hidden: [32], buckets: 1024 }
  train: { epochs: 4, batchSize: 16 }
student:
  architecture: bag
  options: { width: 8, buckets: 256, dropout: 0.2 }
method: { name: kd, options: { temperature: 2 } }
train: { epochs: 4, batchSize: 16, optimizer: { lr: 5e-3 } }
evaluate: { bootstrap: 200, latency: { repeats: 3 } }
seeds: [1, 2]
`,
);

const start = (out: string, ...extra: string[]): ChildProcess =>
  spawn(
    process.execPath,
    ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'run', recipe, '--out', out, ...extra],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );

/** Runs to the end, or until killed after `ms`. */
async function run(
  out: string,
  { resume = false, killAfter, extra = [] }: { resume?: boolean; killAfter?: number; extra?: string[] } = {},
): Promise<{ code: number | null; text: string; ms: number }> {
  const began = performance.now();
  const child = start(out, ...(resume ? ['--resume'] : []), ...extra);
  let text = '';
  child.stdout!.on('data', (d) => (text += d));
  child.stderr!.on('data', (d) => (text += d));
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  const code = await new Promise<number | null>((done) => child.on('exit', (c) => done(c)));
  clearTimeout(timer);
  return { code, text, ms: performance.now() - began };
}

const student = (out: string): Buffer => readFileSync(join(out, 'model', 'model.safetensors'));

describe('a run that is killed', () => {
  const whole = join(work, 'whole');
  let duration = 0;
  beforeAll(async () => {
    const r = await run(whole);
    expect(r.code, r.text).toBe(0);
    duration = r.ms;
  });

  it('resumes to the same bytes after kill -9 at 20 random moments, asking the teacher nothing twice', async () => {
    const rng = createRng('kill moments');
    const out = join(work, 'killed');
    let kills = 0;
    let last = await run(out, { killAfter: 300 + rng.uniform() * duration });
    while (kills < 20) {
      if (last.code === 0) {
        // it got through before the kill: judge it, and start anew
        expect(student(out).equals(student(whole))).toBe(true);
        rmSync(out, { recursive: true });
      } else kills++;
      last = await run(out, {
        resume: true,
        killAfter: kills < 20 ? 300 + rng.uniform() * duration : undefined,
      });
    }
    expect(last.code, last.text).toBe(0);
    expect(student(out).equals(student(whole))).toBe(true);
    const store = openSignalStore(join(out, 'signals'));
    const { bytes, liveBytes } = store.stats();
    store.close();
    expect(bytes - liveBytes, 'signals written twice').toBeLessThan(4096);
    const again = await run(out, { resume: true });
    expect(again.text).toContain('from the store');
  });

  it('gives the same student with 16 × 1 rows per update as with 1 × 16 accumulated', async () => {
    const still = ['--set', 'student.options.dropout=0', '--set', 'seeds=[1]', '--set', 'train.epochs=1'];
    const a = join(work, 'whole-batch');
    const b = join(work, 'accumulated');
    expect((await run(a, { extra: still })).code).toBe(0);
    const r = await run(b, {
      extra: [...still, '--set', 'train.batchSize=1', '--set', 'train.accumulate=16'],
    });
    expect(r.code, r.text).toBe(0);
    const accuracy = (out: string) =>
      JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')).arms.find(
        (x: { id: string }) => x.id === 'distilled',
      ).values;
    expect(Math.abs(accuracy(a).kl.mean - accuracy(b).kl.mean)).toBeLessThan(1e-3);
    expect(Math.abs(accuracy(a).nll.mean - accuracy(b).nll.mean)).toBeLessThan(1e-3);
  });
});
