// The bench cases in Decant, as a process of its own. argv: case threads engine|bare. Protocol: see peer.ts.
import { createInterface } from 'node:readline';
import { createNodeEngine } from '../../src/engine/node/engine.ts';
import { createBareEngine } from './bare.ts';
import { type CaseName, decantCase } from './cases.ts';

const [name, threads, kind] = process.argv.slice(2);
const bare = kind === 'bare' ? createBareEngine(Number(threads)) : undefined;
const node = bare ? undefined : createNodeEngine({ threads: Number(threads) });
const engine = (bare ?? node)!;
const { step } = await decantCase(name as CaseName, engine);
const timed = async (): Promise<number> => {
  const begin = performance.now();
  await step();
  return performance.now() - begin;
};
// the first step traces, differentiates, compiles and runs; a second one is subtracted
const first = await timed();
const compileMs = Math.max(0, first - (await timed()));

console.log(JSON.stringify({ ready: true, name: bare ? 'bare session.run' : 'decant', compileMs }));
for await (const line of createInterface({ input: process.stdin })) {
  const times: number[] = [];
  const before = await node?.stats();
  const cpu = process.cpuUsage();
  let value = 0;
  for (let i = 0; i < Number(line); i++) {
    const begin = performance.now();
    value = await step();
    times.push(bare ? bare.lastRunMs() : performance.now() - begin);
  }
  const { user, system } = process.cpuUsage(cpu);
  const cpuMs = (user + system) / 1000;
  const peakMb = process.resourceUsage().maxRSS / 1024;
  const runMs = before && (await node!.stats()).runMs - before.runMs;
  console.log(JSON.stringify({ times, value, cpuMs, peakMb, runMs }));
}
await engine.close();
