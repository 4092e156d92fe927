import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NDArray } from '../../graph/ndarray.ts';
import { ndarray } from '../../graph/ndarray.ts';
import type { Graph } from '../../graph/trace.ts';
import { DecantError } from '../../util/errors.ts';
import { checkInputs } from '../check.ts';
import type { Engine, Executable, LoadOptions, OperatorTime } from '../engine.ts';
import { engineError } from '../errors.ts';
import { type Lowered, lower } from '../lower.ts';
import { lowerLoop } from '../lower-loop.ts';
import { stackBatches, tripsArray, unstackResults } from '../stack.ts';
import { defaultThreads, startWorker, type WorkerClient } from './client.ts';
import type { EngineStats, SessionConfig, StepPlan, WireArray } from './protocol.ts';

export interface NodeEngineOptions {
  /** Threads inside an operator; default: the cores available to the process. */
  threads?: number;
  /** Where operators run: 'cpu' (default), or 'webgpu', 'cuda', 'coreml', 'dml' where this machine has them. */
  provider?: string;
  /** Whether idle threads spin; 'auto' (default): only while the engine has one session. Several spinning sessions slow each other. */
  spin?: boolean | 'auto';
}

export type { EngineStats };

export interface NodeEngine extends Engine {
  readonly provider: string;
  readonly threads: number;
  /** What the engine has used so far. */
  stats(): Promise<EngineStats>;
}

/** onnxruntime-node in a worker thread: the event loop stays free while a step runs. */
export function createNodeEngine(options: NodeEngineOptions = {}): NodeEngine {
  const provider = options.provider ?? 'cpu';
  checkProvider(provider);
  const threads = options.threads ?? defaultThreads();
  if (!Number.isInteger(threads) || threads < 1)
    throw new DecantError('usage', 'bad number of threads', { seen: threads, allowed: 'integers from 1' });
  const context: Context = {
    client: startWorker(),
    config: { provider, threads, spin: options.spin ?? 'auto' },
    sessions: new Map(),
    nextId: 0,
  };
  return {
    name: 'node',
    provider,
    threads,
    load: (graph, loadOptions = {}) => load(context, graph, loadOptions),
    interrupt: () => context.client.interrupt(),
    stats: async () => (await context.client.ask({ type: 'stats' })) as EngineStats,
    close: () => context.client.close(),
  };
}

interface Context {
  readonly client: WorkerClient;
  readonly config: SessionConfig;
  /** Compiled sessions by content of the model, with the number of executables that use them. */
  readonly sessions: Map<string, { id: number; users: number; ready: Promise<unknown> }>;
  nextId: number;
}

function checkProvider(provider: string): void {
  const ort = createRequire(import.meta.url)('onnxruntime-node') as {
    listSupportedBackends(): { name: string }[];
  };
  const known = ort.listSupportedBackends().map((b) => b.name);
  if (!known.includes(provider)) {
    throw new DecantError('engine', `onnxruntime has no execution provider '${provider}' on this machine`, {
      at: 'provider',
      seen: provider,
      allowed: known.join(', '),
    });
  }
}

interface Session {
  readonly id: number;
  release(): Promise<void>;
}

async function openSession(c: Context, lowered: Lowered, profile: boolean): Promise<Session> {
  const key = profile ? `profile${c.nextId}` : createHash('sha256').update(lowered.bytes).digest('hex');
  let entry = c.sessions.get(key);
  if (!entry) {
    const id = c.nextId++;
    const config = profile
      ? { ...c.config, profile: join(mkdtempSync(join(tmpdir(), 'decant-profile-')), 'p') }
      : c.config;
    const { bytes } = lowered;
    const ready = c.client.ask({ type: 'load', session: id, bytes, config }, [bytes.buffer]);
    entry = { id, users: 0, ready };
    c.sessions.set(key, entry);
  }
  const opened = entry;
  opened.users++;
  const release = async (): Promise<void> => {
    if (--opened.users > 0) return;
    c.sessions.delete(key);
    await c.client.ask({ type: 'release', session: opened.id });
  };
  try {
    await opened.ready;
  } catch (e) {
    opened.users--;
    c.sessions.delete(key);
    const error = engineError(e, lowered.origins);
    if (c.config.provider === 'cpu') throw error;
    throw new DecantError(
      'engine',
      `the execution provider did not take the graph: ${(error as Error).message}`,
      {
        at: 'provider',
        seen: c.config.provider,
        fix: "install the provider's driver and libraries, or use 'cpu'",
        cause: error,
      },
    );
  }
  return { id: opened.id, release };
}

interface NodeExecutable extends Executable {
  readonly stateId: number;
  readonly client: WorkerClient;
}

async function load(c: Context, graph: Graph, options: LoadOptions): Promise<Executable> {
  const state = options.state ?? 0;
  const shared = options.shareState as NodeExecutable | undefined;
  if (shared && shared.client !== c.client)
    throw new DecantError('usage', 'shareState needs an executable of the same engine');
  const lowered = lower(graph, state);
  const plan = planOf(lowered);
  const session = await openSession(c, lowered, options.profile ?? false);
  let looped: { lowered: Lowered; session: Session } | undefined;
  if (options.loop) {
    const loop = lowerLoop(graph, state);
    looped = { lowered: loop, session: await openSession(c, loop, false) };
  }
  const stateId = shared?.stateId ?? c.nextId++;
  const data = graph.inputs.slice(state);

  const steps = async (
    batches: readonly (readonly NDArray[])[],
    { lowered, session }: { lowered: Lowered; session: Session },
  ): Promise<NDArray[][]> => {
    const wire = batches.map((b) => b.map(toWire));
    try {
      const plan = planOf(lowered);
      const results = await c.client.ask(
        { type: 'steps', session: session.id, state: stateId, plan, batches: wire },
        wire.flat().map(bufferOf),
      );
      return (results as WireArray[][]).map((r) => r.map(fromWire));
    } catch (e) {
      throw engineError(e, lowered.origins);
    }
  };
  const executable: NodeExecutable = {
    stateId,
    client: c.client,
    async run(inputs) {
      checkInputs(graph.inputs, inputs);
      const wire = inputs.map(toWire);
      try {
        const results = await c.client.ask(
          { type: 'run', session: session.id, plan, inputs: wire },
          wire.map(bufferOf),
        );
        return (results as WireArray[]).map(fromWire);
      } catch (e) {
        throw engineError(e, lowered.origins);
      }
    },
    async setState(arrays) {
      checkInputs(graph.inputs.slice(0, state), arrays);
      const wire = arrays.map(toWire);
      await c.client.ask({ type: 'setState', state: stateId, arrays: wire }, wire.map(bufferOf));
    },
    async getState() {
      return ((await c.client.ask({ type: 'getState', state: stateId })) as WireArray[]).map(fromWire);
    },
    async step(inputs) {
      checkInputs(data, inputs);
      return (await steps([inputs], { lowered, session }))[0];
    },
    async stepMany(batches) {
      for (const b of batches) checkInputs(data, b);
      if (!looped || batches.length === 0) return steps(batches, { lowered, session });
      const stacked = [tripsArray(batches.length), ...stackBatches(batches)];
      const [results] = await steps([stacked], looped);
      return unstackResults(results, batches.length);
    },
    async profile() {
      return (await c.client.ask({ type: 'profile', session: session.id })) as OperatorTime[];
    },
    async dispose() {
      await session.release();
      await looped?.session.release();
      if (!shared) await c.client.ask({ type: 'freeState', state: stateId });
    },
  };
  return executable;
}

const planOf = ({ inputs, outputs, plan }: Lowered): StepPlan => ({ inputs, outputs, moves: plan });

// slice() copies into a buffer of the array's own size, which can change hands; the caller keeps its own
const toWire = (a: NDArray): WireArray => ({ dtype: a.dtype, shape: a.shape, data: a.data.slice() });
const fromWire = (a: WireArray): NDArray => ndarray(a.data, a.shape, a.dtype);
const bufferOf = (a: WireArray): ArrayBuffer => a.data.buffer as ArrayBuffer;
