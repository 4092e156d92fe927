import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyClassifier } from '../src/run/testing/tiny-folders.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'decant-serve-'));
beforeAll(() => writeTinyClassifier(join(work, 'model')));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const serve = (...flags: string[]) =>
  spawn(
    process.execPath,
    ['--import', 'tsx', join(root, 'src/cli/main.ts'), 'serve', work, '--port', '0', ...flags],
    {
      cwd: root,
      env: { ...process.env, SERVE_KEY: 'sesame' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );

describe('decant serve', () => {
  it('says as JSON where it listens, answers with the key, and ends well on SIGTERM', async () => {
    const child = serve('--json', '--key-env', 'SERVE_KEY');
    let err = '';
    child.stderr.on('data', (d) => (err += d));
    const ended = new Promise<number | null>((done) => child.on('exit', (code) => done(code)));
    const said = await new Promise<{ url: string; routes: string[]; kind: string }>((done, failed) => {
      let out = '';
      child.on('exit', (code) => failed(new Error(`ended with ${code}: ${err}`)));
      child.stdout.on('data', (d) => {
        out += d;
        try {
          done(JSON.parse(out));
        } catch {
          // not all of it yet
        }
      });
    });
    expect(said).toMatchObject({
      kind: 'classifier',
      routes: ['POST /classify', 'POST /v1/chat/completions'],
    });
    const ask = (headers: Record<string, string>) =>
      fetch(`${said.url}/classify`, { method: 'POST', headers, body: '{"input": "my card"}' });
    expect((await ask({})).status).toBe(401);
    const answer = await ask({ authorization: 'Bearer sesame' });
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { results: { label: string }[] }).results[0].label).toMatch(
      /card|transfer|other/,
    );
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(err).toContain('Finishing the requests in progress');
  });

  it('refuses a key that is not there', async () => {
    const child = serve('--key-env', 'NOT_SET');
    let err = '';
    child.stderr.on('data', (d) => (err += d));
    expect(await new Promise((done) => child.on('exit', (code) => done(code)))).toBe(2);
    expect(err).toMatch(/--key-env is not set/);
  });
});
