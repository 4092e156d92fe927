// Run as a process of its own: ends in the way of argv[2] while the engine is inside onnxruntime.
import { createNodeEngine } from '../node/engine.ts';
import { momentumBatches, momentumGraph, momentumState } from './problems.ts';

const how = process.argv[2];
const n = 300_000;
const engine = createNodeEngine({ threads: 1 });
const exe = await engine.load(momentumGraph(n), { state: 2 });
await exe.setState(momentumState(n));
const [batch] = momentumBatches(n, 1);
await exe.step(batch);
const manySteps = () => void exe.stepMany(Array(60).fill(batch)).catch(() => {}); // refused when the process ends
if (how === 'exit') {
  manySteps();
  setTimeout(() => process.exit(3), 20);
} else if (how === 'throw') {
  manySteps();
  setTimeout(() => {
    throw new Error('uncaught');
  }, 20);
} else if (how === 'sigint') {
  process.on('SIGINT', async () => {
    await engine.close();
    process.exitCode = 5;
  });
  manySteps();
  setTimeout(() => process.kill(process.pid, 'SIGINT'), 20);
}
// how === 'idle': nothing is pending any more, so the process ends by itself
