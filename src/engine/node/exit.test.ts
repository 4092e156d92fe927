import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../testing/exit-during-run.ts', import.meta.url));
const run = (how: string) =>
  spawnSync(process.execPath, ['--import', 'tsx', script, how], { encoding: 'utf8', timeout: 25_000 });

// onnxruntime aborts the process (code 134) when its thread is torn down inside a run
describe('a process that ends while a step runs', () => {
  it.each([
    ['exit', 3],
    ['throw', 1],
    ['sigint', 5],
    ['idle', 0],
  ])('%s: ends with code %i', (how, code) => {
    const { status, stderr } = run(how);
    expect(stderr).not.toMatch(/Napi::Error|terminate called/);
    expect(status).toBe(code);
  });
});
