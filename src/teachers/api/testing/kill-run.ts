import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJsonl } from '../../../util/node/jsonl.ts';
import { createRng } from '../../../util/rng.ts';
import type { LedgerLine } from '../ledger.ts';
import { classes, everything, KEY, textsOf } from './fault-run.ts';
import { type Fault, losing, spoiling, startProxy } from './faulty-proxy.ts';
import { startServer, trueClass } from './server.ts';

export interface KillReport {
  /** Exit code of the last session: 0 done, 3 budget used up. */
  code: number | null;
  /** Sessions that were killed while they were asking. */
  kills: number;
  labels: (string | undefined)[];
  wanted: string[];
  /** Answers of the server beyond one per text. */
  repeats: number;
  losses: number;
  spoilt: number;
  lines: LedgerLine[];
  /** Answers that took too long although no fault was injected: a busy machine. */
  late: number;
  /** Tokens that the server has charged for. */
  charged: number;
  /** The largest estimate of a request, tokens. */
  largest: number;
  /** All files of the folder and everything that the sessions said. */
  said: string;
  /** Requests of one more session after the end. */
  askedAgain: number;
}

/** Labels texts in sessions that are killed (SIGKILL) at random moments, then lets a last one finish. */
export async function killRun(options: {
  texts: number;
  kills: number;
  rate: number;
  seed: number;
  concurrency: number;
  /** Longest life of a session that is killed, milliseconds from its first request. */
  life: number;
  only?: readonly Fault[];
  honoursIdempotency?: boolean;
  budget?: number;
}): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), 'decant-kill-'));
  const server = await startServer({ key: KEY, honoursIdempotency: options.honoursIdempotency, latency: 3 });
  const proxy = await startProxy(server.baseURL, options);
  const rng = createRng(`${options.seed}/kills`);
  let said = '';
  const start = (): ChildProcess => {
    const script = fileURLToPath(new URL('label-child.ts', import.meta.url));
    const args = [folder, proxy.baseURL, options.texts, options.concurrency, options.budget ?? 0].map(String);
    const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
      env: { ...process.env, TEST_KEY: KEY },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr!.on('data', (d) => {
      said += d;
    });
    return child;
  };
  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise((done) => child.once('close', (code) => done(code)));
  try {
    let kills = 0;
    for (let k = 0; k < options.kills; k++) {
      const child = start();
      const end = ended(child);
      await Promise.race([new Promise((begun) => child.stdout!.once('data', begun)), end]);
      const timer = setTimeout(() => child.kill('SIGKILL'), options.life * rng.uniform());
      await end;
      clearTimeout(timer);
      if (child.signalCode === 'SIGKILL') kills++;
    }
    const code = await ended(start());
    const before = server.requests;
    if (code === 0 && (await ended(start())) !== 0)
      throw new Error(`the session after the end failed: ${said}`);
    const { values: lines } = readJsonl<LedgerLine>(join(folder, 'ledger.jsonl'));
    const count = (kinds: readonly Fault[]): number =>
      kinds.reduce((n, fault) => n + (proxy.injected.get(fault) ?? 0), 0);
    const file = join(folder, 'labels.json');
    const late = lines.filter((l) => l.t === 'lost' && l.why.startsWith('no whole answer')).length;
    return {
      code,
      kills,
      labels: existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [],
      wanted: textsOf(options.texts).map((e) => trueClass(e.text!, classes)),
      repeats: [...server.answered.values()].reduce((n, k) => n + k - 1, 0),
      losses: count(losing),
      spoilt: count(spoiling),
      lines,
      late: Math.max(0, late - count(['stalled'])),
      charged: server.tokens,
      largest: Math.max(...lines.map((l) => (l.t === 'ask' ? l.estimate.input + l.estimate.output : 0))),
      said: said + everything(folder),
      askedAgain: code === 0 ? server.requests - before : 0,
    };
  } finally {
    await proxy.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
