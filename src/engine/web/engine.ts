import type * as Ort from 'onnxruntime-web';
import type { DType, TypedArray } from '../../graph/dtype.ts';
import { type NDArray, ndarray } from '../../graph/ndarray.ts';
import type { Graph } from '../../graph/trace.ts';
import { DecantError } from '../../util/errors.ts';
import { checkInputs } from '../check.ts';
import type { Engine, Executable, LoadOptions } from '../engine.ts';
import { engineError } from '../errors.ts';
import { type Lowered, lower } from '../lower.ts';
import { lowerLoop } from '../lower-loop.ts';
import { stackBatches, tripsArray, unstackResults } from '../stack.ts';

export interface WebEngineOptions {
  /** 'wasm' (default), or 'webgpu': operators and state stay on the graphics device. */
  provider?: 'wasm' | 'webgpu';
  /** wasm threads; default: the cores of the machine, or 1 where the page is not cross-origin isolated. */
  threads?: number;
  /** Folder (URL ending in /) with onnxruntime-web's .wasm and .mjs files; default: beside the script. */
  wasmPaths?: string;
  /** The loaded onnxruntime-web, when it does not come from the bundle (a CDN, an import map). */
  ort?: typeof Ort;
}

export interface WebEngine extends Engine {
  readonly provider: 'wasm' | 'webgpu';
  readonly threads: number;
}

/**
 * onnxruntime-web, for the browser; imports nothing of Node. It runs on the calling thread (wasm helpers aside): for
 * a page that stays responsive, create it inside a Web Worker.
 */
export async function createWebEngine(options: WebEngineOptions = {}): Promise<WebEngine> {
  const provider = options.provider ?? 'wasm';
  if (provider === 'webgpu' && !(await hasWebgpu())) {
    throw new DecantError('engine', 'this browser offers no WebGPU adapter', {
      at: 'provider',
      seen: provider,
      fix: "use the provider 'wasm'",
    });
  }
  const ort =
    options.ort ??
    ((provider === 'webgpu'
      ? await import('onnxruntime-web/webgpu')
      : await import('onnxruntime-web/wasm')) as unknown as typeof Ort);
  const threads = globalThis.crossOriginIsolated
    ? (options.threads ?? navigator.hardwareConcurrency ?? 1)
    : 1;
  ort.env.wasm.numThreads = threads;
  if (options.wasmPaths !== undefined) ort.env.wasm.wasmPaths = options.wasmPaths;
  const context: Context = {
    ort,
    provider,
    generation: 0,
    closed: false,
    last: Promise.resolve(),
    sessions: new Set(),
  };
  return {
    name: 'web',
    provider,
    threads,
    load: (graph, loadOptions = {}) => load(context, graph, loadOptions),
    interrupt: () => {
      context.generation++;
    },
    async close() {
      context.closed = true;
      await context.last;
      for (const s of context.sessions) await s.release();
      context.sessions.clear();
    },
  };
}

interface Context {
  readonly ort: typeof Ort;
  readonly provider: 'wasm' | 'webgpu';
  generation: number;
  closed: boolean;
  /** onnxruntime-web runs one session at a time: calls wait for each other. */
  last: Promise<unknown>;
  readonly sessions: Set<Ort.InferenceSession>;
}

/** What executables that share a state have in common. */
interface State {
  current: Ort.Tensor[];
}

interface WebExecutable extends Executable {
  readonly state: State;
}

async function hasWebgpu(): Promise<boolean> {
  const gpu = (globalThis.navigator as { gpu?: { requestAdapter(): Promise<unknown> } } | undefined)?.gpu;
  return gpu !== undefined && (await gpu.requestAdapter()) !== null;
}

function inTurn<T>(c: Context, fn: () => Promise<T>): Promise<T> {
  const run = c.last.then(fn);
  c.last = run.catch(() => {});
  return run;
}

async function openSession(c: Context, lowered: Lowered, n: number): Promise<Ort.InferenceSession> {
  // on the device the next state stays where it was computed
  const kept = lowered.outputs.slice(0, n).filter((name) => name !== '');
  const onDevice = c.provider === 'webgpu' && kept.length > 0;
  try {
    const session = await inTurn(c, () =>
      c.ort.InferenceSession.create(lowered.bytes, {
        executionProviders: [c.provider],
        logSeverityLevel: 4, // errors come back as exceptions
        ...(onDevice
          ? { preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, 'gpu-buffer' as const])) }
          : {}),
      }),
    );
    c.sessions.add(session);
    return session;
  } catch (e) {
    throw engineError(e, lowered.origins);
  }
}

async function load(c: Context, graph: Graph, options: LoadOptions): Promise<Executable> {
  const n = options.state ?? 0;
  if (options.profile) {
    throw new DecantError('engine', 'operators are not measured in the browser', {
      fix: 'use the node engine',
    });
  }
  const lowered = lower(graph, n);
  const session = await openSession(c, lowered, n);
  const looped = options.loop ? lowerLoop(graph, n) : undefined;
  const loopSession = looped && (await openSession(c, looped, n));
  const state = (options.shareState as WebExecutable | undefined)?.state ?? { current: [] };
  const data = graph.inputs.slice(n);
  const toTensor = (a: NDArray): Ort.Tensor =>
    new c.ort.Tensor(a.dtype as never, a.data as never, a.shape) as Ort.Tensor;

  const guarded = <T>(origins: Lowered['origins'], fn: () => Promise<T>): Promise<T> => {
    const generation = c.generation;
    return inTurn(c, async () => {
      if (c.closed) throw new DecantError('engine', 'the engine is closed', { fix: 'create a new engine' });
      if (c.generation > generation)
        throw new DecantError('interrupted', 'the step was not begun: the engine was interrupted');
      try {
        return await fn();
      } catch (e) {
        throw engineError(e, origins);
      }
    });
  };
  const runStep = async (
    s: Ort.InferenceSession,
    { inputs, outputs }: Lowered,
    arrays: readonly NDArray[],
  ): Promise<NDArray[]> => {
    if (state.current.length !== n) throw new DecantError('engine', 'no state: call setState first');
    const feeds: Record<string, Ort.Tensor> = {};
    [...state.current, ...arrays.map(toTensor)].forEach((t, i) => {
      feeds[inputs[i]] = t;
    });
    const results = await s.run(
      feeds,
      outputs.filter((name) => name !== ''),
    );
    const old = state.current;
    state.current = old.map((t, i) => (outputs[i] === '' ? t : results[outputs[i]]));
    old.forEach((t, i) => {
      if (t !== state.current[i] && t.location === 'gpu-buffer') t.dispose();
    });
    return Promise.all(outputs.slice(n).map((name) => toArray(results[name])));
  };
  const executable: WebExecutable = {
    state,
    run(arrays) {
      checkInputs(graph.inputs, arrays);
      const { inputs, outputs, origins } = lowered;
      return guarded(origins, async () => {
        const feeds = Object.fromEntries(arrays.map((a, i) => [inputs[i], toTensor(a)]));
        const wanted = outputs.filter((name) => name !== '');
        const results = await session.run(feeds, wanted);
        const arraysOut: NDArray[] = [];
        for (const [i, name] of outputs.entries()) {
          arraysOut.push(name === '' ? copy(arrays[i]) : await toArray(results[name]));
          if (name !== '' && results[name].location === 'gpu-buffer') results[name].dispose();
        }
        return arraysOut;
      });
    },
    async setState(arrays) {
      checkInputs(graph.inputs.slice(0, n), arrays);
      await inTurn(c, async () => {
        release(state);
        state.current = arrays.map((a) => toTensor(copy(a)));
      });
    },
    getState: () => inTurn(c, () => Promise.all(state.current.map(toArray))),
    step(arrays) {
      checkInputs(data, arrays);
      return guarded(lowered.origins, () => runStep(session, lowered, arrays));
    },
    async stepMany(batches) {
      for (const b of batches) checkInputs(data, b);
      if (looped && loopSession && batches.length > 0) {
        const stacked = [tripsArray(batches.length), ...stackBatches(batches)];
        const results = await guarded(looped.origins, () => runStep(loopSession, looped, stacked));
        return unstackResults(results, batches.length);
      }
      const results: NDArray[][] = [];
      const generation = c.generation;
      for (const b of batches) {
        if (results.length > 0 && c.generation > generation) break;
        results.push(await guarded(lowered.origins, () => runStep(session, lowered, b)));
      }
      return results;
    },
    profile: async () => {
      throw new DecantError('engine', 'operators are not measured in the browser', {
        fix: 'use the node engine',
      });
    },
    dispose: () =>
      inTurn(c, async () => {
        for (const s of [session, loopSession]) {
          if (!s || !c.sessions.delete(s)) continue;
          await s.release();
        }
        if (!options.shareState) release(state);
      }),
  };
  return executable;
}

function release(state: State): void {
  for (const t of state.current) if (t.location === 'gpu-buffer') t.dispose();
  state.current = [];
}

const copy = (a: NDArray): NDArray => ndarray(a.data.slice(), a.shape, a.dtype);

async function toArray(t: Ort.Tensor): Promise<NDArray> {
  const data = (t.location === 'cpu' ? t.data : await t.getData()) as TypedArray;
  // where the platform has Float16Array, float16 comes as that: take the bits
  const bits =
    t.type === 'float16' ? new Uint16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length) : data;
  return ndarray(bits.slice(), t.dims, t.type as DType);
}
