import { GPT_SMALL, gptBatch, gptLoss, gptParams } from '../../bench/models/gpt.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { lower } from '../../src/engine/lower.ts';
import {
  add,
  array,
  matmul,
  mean,
  type NDArray,
  relu,
  square,
  sub,
  type Tensor,
} from '../../src/graph/index.ts';
import { adam, trainStep } from '../../src/optim/index.ts';

/** The engine, and the SHA-256 of each model that it is given. */
function watched(engine: Engine): { engine: Engine; hashes: string[] } {
  const hashes: string[] = [];
  const load: Engine['load'] = async (graph, options = {}) => {
    const { bytes } = lower(graph, options.state);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    hashes.push(Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join(''));
    return engine.load(graph, options);
  };
  return { engine: { ...engine, load }, hashes };
}

export interface RunResult {
  losses: number[];
  /** The same, in one ONNX Loop. */
  looped?: number[];
  hashes: string[];
}

/** Ten steps of a small GPT with Adam, one by one and in a Loop. */
export async function gptRun(target: Engine): Promise<RunResult> {
  const { engine, hashes } = watched(target);
  const start = (loop: boolean) =>
    trainStep(gptLoss(GPT_SMALL), adam(), { engine, params: gptParams(GPT_SMALL), lr: 1e-3, loop });
  const batches = Array.from({ length: 10 }, (_, i) => gptBatch(GPT_SMALL, i % 3));
  const single = start(false);
  const losses: number[] = [];
  for (const b of batches) losses.push((await single.step(b)).loss);
  const looped = (await start(true).stepMany(batches)).map((r) => r.loss);
  return { losses, looped, hashes };
}

/** Ten steps of a two-layer net: small enough for a software graphics adapter. */
export async function tinyRun(target: Engine): Promise<RunResult> {
  const { engine, hashes } = watched(target);
  const values = (rows: number, cols: number, phase: number): NDArray =>
    array(
      Array.from({ length: rows }, (_, i) =>
        Array.from({ length: cols }, (_, j) => Math.sin(phase + 1.7 * i + 2.3 * j)),
      ),
    );
  const train = trainStep(
    (p: { w: Tensor; b: Tensor; out: Tensor }, { x, y }: { x: Tensor; y: Tensor }) =>
      mean(square(sub(matmul(relu(add(matmul(x, p.w), p.b)), p.out), y))),
    adam(),
    {
      engine,
      params: { w: values(4, 16, 0.1), b: array(Array(16).fill(0)), out: values(16, 2, 0.7) },
      lr: 0.01,
      clip: { norm: 1 },
    },
  );
  const batch = { x: values(8, 4, 3), y: values(8, 2, 5) };
  const losses: number[] = [];
  for (let i = 0; i < 10; i++) losses.push((await train.step(batch)).loss);
  const { w } = await train.params();
  return { losses: [...losses, w.data[0] as number], hashes };
}
