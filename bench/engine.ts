// npm run bench:engine -- [--json FILE] [--cases gpt,mlp] [--threads 1,2] [--rounds 6] [--peers torch,tfjs,jax] [--profile]
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import { adam, trainStep } from '../src/optim/index.ts';
import { CASES, type CaseName, decantCase } from './harness/cases.ts';
import { type Peer, type Spread, spread, startPeer } from './harness/peer.ts';
import { GPT_SMALL, gptBatch, gptLoss, gptParams } from './models/gpt.ts';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    cases: { type: 'string', default: CASES.join() },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '6' },
    peers: { type: 'string', default: 'torch,tfjs,jax' },
    profile: { type: 'boolean', default: false },
  },
});
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

interface Row {
  bench: 'engine';
  case: string;
  threads: number;
  metric: string;
  unit: string;
  ours: number;
  peer: number | null;
  peerName: string;
  /** Above 1: ours is better. */
  ratio: number | null;
}
const rows: Row[] = [];
/** Lines of the table for docs/benchmarks.md. */
const table = [
  '| case | threads | library | ms per step [10 %, 90 %] | processor ms | peak MB | ours is … times faster |',
  '|---|---|---|---|---|---|---|',
];
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const round = (x: number): number => Number(x.toPrecision(4));
const show = (s: Spread): string => `${s.median.toFixed(1)} [${s.low.toFixed(1)}, ${s.high.toFixed(1)}]`;
function add(
  name: string,
  threads: number,
  metric: string,
  unit: string,
  ours: number,
  peer: number | null,
  peerName: string,
): void {
  const ratio = peer === null || ours === 0 ? null : round(peer / ours);
  rows.push({
    bench: 'engine',
    case: name,
    threads,
    metric,
    unit,
    ours: round(ours),
    peer: peer === null ? null : round(peer),
    peerName,
    ratio,
  });
}

/** The python3 that imports torch, or undefined with a message. */
function findTorch(): string | undefined {
  for (const python of ['python3', '/usr/bin/python3', '/usr/local/bin/python3']) {
    if (spawnSync(python, ['-c', 'import torch']).status === 0) return python;
  }
  say('no python3 on this machine imports torch: PyTorch is left out');
  return undefined;
}

const wanted = flags.peers.split(',');
const torch = wanted.includes('torch') ? findTorch() : undefined;
const installed = existsSync(path('./peers/node_modules'));
if (!installed && (wanted.includes('tfjs') || wanted.includes('jax')))
  say('TensorFlow.js and jax-js are left out: run `npm install` in bench/peers to compare with them');

type Start = () => Promise<Peer>;
function peersOf(name: CaseName, threads: number): [string, Start][] {
  const decant = (kind: string): Start => {
    const args = ['--import', 'tsx', path('./harness/decant-peer.ts'), name, String(threads), kind];
    return () => startPeer(process.execPath, args);
  };
  const list: [string, Start][] = [
    ['decant', decant('engine')],
    ['bare', decant('bare')],
  ];
  const argv = [name, String(threads)];
  if (torch) list.push(['torch', () => startPeer(torch, [path('./peers/torch_peer.py'), ...argv])]);
  for (const key of ['tfjs', 'jax']) {
    if (installed && wanted.includes(key))
      list.push([
        key,
        () => startPeer(process.execPath, [path(`./peers/${key}_peer.mjs`), ...argv], 300_000),
      ]);
  }
  return list;
}

/** One case at one number of threads: the libraries take turns, so that all see the same load of the machine. */
async function compare(name: CaseName, threads: number): Promise<void> {
  const peers: {
    key: string;
    peer: Peer;
    times: number[];
    cpu: number[];
    around: number[];
    steps: number;
    peakMb: number;
  }[] = [];
  for (const [key, start] of peersOf(name, threads)) {
    try {
      const peer = await start();
      const first = await peer.steps(1);
      // about a second per turn; the slow ones take one step
      const steps = Math.max(1, Math.min(40, Math.round(1000 / first.times[0])));
      peers.push({ key, peer, times: [], cpu: [], around: [], steps, peakMb: 0 });
    } catch (e) {
      say(`${name}, ${threads} threads, ${key}: ${(e as Error).message}`);
      add(name, threads, 'step_ms', 'ms', 0, null, `${key}: ${(e as Error).message.slice(0, 160)}`);
    }
  }
  for (let r = 0; r < Number(flags.rounds); r++) {
    for (const p of peers) {
      if (r >= 2 && p.times[0] > 5000) continue;
      const turn = await p.peer.steps(p.steps);
      p.times.push(...turn.times);
      const total = turn.times.reduce((a, b) => a + b);
      if (turn.runMs !== undefined) p.around.push(total / turn.runMs);
      p.cpu.push(turn.cpuMs / turn.times.length);
      p.peakMb = turn.peakMb;
      // threads of the last one may still spin
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
  const ours = peers.find((p) => p.key === 'decant');
  if (!ours) return;
  const mine = spread(ours.times);
  for (const p of peers) {
    const s = spread(p.times);
    say(
      `${name}, ${threads} threads, ${p.peer.name}: ${show(s)} ms (processor ${spread(p.cpu).median.toFixed(1)}), ${p.peakMb.toFixed(0)} MB`,
    );
    const ratio = p === ours ? '' : (s.median / mine.median).toFixed(2);
    const cpu = spread(p.cpu).median;
    table.push(
      `| ${name} | ${threads} | ${p.peer.name} | ${show(s)} | ${cpu.toFixed(1)} | ${p.peakMb.toFixed(0)} | ${ratio} |`,
    );
    if (p === ours) continue;
    add(name, threads, 'step_ms', 'ms', mine.median, s.median, p.peer.name);
    // beside other load, processor time at one thread tells more than the clock
    if (threads === 1)
      add(name, threads, 'cpu_ms', 'ms', spread(ours.cpu).median, spread(p.cpu).median, p.peer.name);
    if (p.key !== 'bare') add(name, threads, 'peak_memory', 'MB', ours.peakMb, p.peakMb, p.peer.name);
  }
  const around = spread(ours.around).median;
  say(`${name}, ${threads} threads: a step takes ${around.toFixed(3)} times the run inside it`);
  add(name, threads, 'step_over_run', 'ratio', around, 1.05, 'target');
  if (name === 'gpt') {
    const compileMs = Number(ours.peer.ready.compileMs);
    say(`${name}, ${threads} threads: trace, differentiate and compile ${compileMs.toFixed(0)} ms`);
    add(name, threads, 'compile_ms', 'ms', compileMs, 2000, 'target');
  }
  for (const p of peers) await p.peer.close();
}

/** Resident memory over 1,000 steps of a small GPT: the growth after the first 300. */
async function memoryGrowth(): Promise<void> {
  const engine = createNodeEngine({ threads: 2 });
  const t = trainStep(gptLoss(GPT_SMALL), adam(), { engine, params: gptParams(GPT_SMALL), lr: 1e-3 });
  const batches = Array.from({ length: 8 }, (_, i) => gptBatch(GPT_SMALL, i));
  let early = 0;
  for (let i = 0; i < 1000; i++) {
    await t.step(batches[i % 8]);
    if (i === 299) early = process.memoryUsage.rss() / 2 ** 20;
  }
  const late = process.memoryUsage.rss() / 2 ** 20;
  say(`resident memory: ${early.toFixed(0)} MB after 300 steps, ${late.toFixed(0)} MB after 1,000`);
  add('gpt-small', 2, 'rss_1000_steps', 'MB', late, early, 'after 300 steps');
  await engine.close();
}

/** Time per operator. */
async function profile(name: CaseName, threads: number): Promise<void> {
  const engine = createNodeEngine({ threads });
  const c = await decantCase(name, engine, true);
  const steps = 10;
  for (let i = 0; i < steps; i++) await c.step();
  say(`\n${name}, ${threads} threads: operators, ms per step`);
  for (const r of (await c.profile()).slice(0, 20)) {
    const share = (100 * r.share).toFixed(1).padStart(6);
    say(
      `${r.op.padEnd(26)}${String(r.calls / steps).padStart(6)}${(r.ms / steps).toFixed(2).padStart(10)}${share} %`,
    );
  }
  await engine.close();
}

const threadCounts = flags.threads.split(',').map(Number);
const cases = CASES.filter((c) => flags.cases.split(',').includes(c));
for (const name of cases) {
  for (const threads of threadCounts) {
    if (flags.profile) await profile(name, threads);
    else await compare(name, threads);
  }
}
if (!flags.profile && cases.includes('gpt')) await memoryGrowth();
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 1)}\n`);
if (!flags.profile) console.log(table.join('\n'));
