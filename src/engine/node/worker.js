// The thread that owns onnxruntime sessions and training state. Plain JavaScript that imports only onnxruntime-node
// and Node, so that it starts the same way from src and from dist.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';

/** @typedef {import('./protocol.ts').WireArray} WireArray */
/** @typedef {import('./protocol.ts').SessionConfig} SessionConfig */
/** @typedef {import('./protocol.ts').StepPlan} StepPlan */
/** @typedef {import('./protocol.ts').Envelope} Envelope */
/** @typedef {import('./protocol.ts').Reply} Reply */
/** @typedef {import('../engine.ts').OperatorTime} OperatorTime */
/** @typedef {{ session: ort.InferenceSession, config: SessionConfig, spinning: boolean, bytes?: Uint8Array<ArrayBuffer>, cached: Map<string, ort.Tensor> }} Loaded */
/** @typedef {{ current: ort.Tensor[], spare: (ort.Tensor | undefined)[] }} State */

const STOP = 0;
const BUSY = 1;
// models above this are not kept for a second creation, so their threads never spin on 'auto'
const SPIN_LIMIT = 64 << 20;

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);
const flags = new Int32Array(/** @type {SharedArrayBuffer} */ (workerData.flags));
/** @type {Map<number, Loaded>} */
const sessions = new Map();
/** @type {Map<number, State>} */
const states = new Map();

let runMs = 0;
let runs = 0;

/** @param {Loaded} entry @param {Record<string, ort.Tensor>} feeds @param {any} fetches */
async function timedRun(entry, feeds, fetches) {
  const begin = performance.now();
  const results = await entry.session.run(feeds, fetches);
  runMs += performance.now() - begin;
  runs++;
  return results;
}

class Interrupted extends Error {}

/**
 * Runs native code. The main thread waits for BUSY to fall before it lets the process exit: a thread that is torn
 * down inside onnxruntime aborts the whole process.
 * @template T
 * @param {number} generation
 * @param {() => Promise<T>} fn
 * @returns {Promise<T>}
 */
async function native(generation, fn) {
  Atomics.store(flags, BUSY, 1);
  try {
    if (Atomics.load(flags, STOP) > generation) throw new Interrupted('interrupted');
    return await fn();
  } finally {
    Atomics.store(flags, BUSY, 0);
    Atomics.notify(flags, BUSY);
  }
}

/** @param {SessionConfig} config @param {boolean} spinning @returns {ort.InferenceSession.SessionOptions} */
const sessionOptions = (config, spinning) => ({
  executionProviders: [config.provider],
  intraOpNumThreads: config.threads,
  interOpNumThreads: 1,
  logSeverityLevel: 4, // errors come back as exceptions
  extra: { session: { intra_op: { allow_spinning: spinning ? '1' : '0' } } },
  ...(config.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: config.profile }),
});

/** @param {WireArray} a */
const toTensor = (a) => new ort.Tensor(/** @type {any} */ (a.dtype), /** @type {any} */ (a.data), a.shape);

/** @param {ort.Tensor} t @returns {WireArray} */
const toWire = (t) => {
  const data = bitsOf(t);
  // a view of a larger buffer cannot be transferred alone
  const own = data.byteLength === data.buffer.byteLength ? data : data.slice();
  return { dtype: /** @type {any} */ (t.type), shape: [...t.dims], data: own };
};

/** The elements; float16 as raw bits also where the platform has Float16Array. @param {ort.Tensor} t @returns {any} */
const bitsOf = (t) => {
  const data = /** @type {any} */ (t.data);
  return t.type === 'float16' ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
};

/** @param {ort.Tensor} t @returns {WireArray} */
const copyWire = (t) => ({
  dtype: /** @type {any} */ (t.type),
  shape: [...t.dims],
  data: bitsOf(t).slice(),
});

/** @param {ort.Tensor} t */
const emptyLike = (t) =>
  new ort.Tensor(
    t.type,
    new /** @type {any} */ (t.data).constructor(/** @type {any} */ (t.data).length),
    t.dims,
  );

/** @param {number} id @returns {Loaded} */
function sessionOf(id) {
  const s = sessions.get(id);
  if (!s) throw new Error('the executable was disposed');
  return s;
}

/** @param {number} id @returns {State} */
function stateOf(id) {
  const s = states.get(id);
  if (!s) throw new Error('no state: call setState first');
  return s;
}

/** @param {Loaded} entry */
async function stopSpinning(entry) {
  if (!entry.spinning || entry.config.spin !== 'auto' || !entry.bytes) return;
  const quiet = await ort.InferenceSession.create(entry.bytes, sessionOptions(entry.config, false));
  await entry.session.release();
  entry.session = quiet;
  entry.spinning = false;
  entry.bytes = undefined;
}

/** @param {number} id @param {Uint8Array<ArrayBuffer>} bytes @param {SessionConfig} config */
async function load(id, bytes, config) {
  const alone = sessions.size === 0 && bytes.byteLength <= SPIN_LIMIT && config.profile === undefined;
  const spinning = config.spin === 'auto' ? alone : config.spin;
  const session = await ort.InferenceSession.create(bytes, sessionOptions(config, spinning));
  for (const other of sessions.values()) await stopSpinning(other);
  /** @type {Loaded} */
  const entry = { session, config, spinning, cached: new Map() };
  if (spinning && config.spin === 'auto') entry.bytes = bytes;
  sessions.set(id, entry);
}

/** @param {Loaded} entry @param {StepPlan} plan @param {WireArray[]} inputs */
async function run(entry, plan, inputs) {
  /** @type {Record<string, ort.Tensor>} */
  const feeds = {};
  inputs.forEach((a, i) => {
    feeds[plan.inputs[i]] = toTensor(a);
  });
  const wanted = plan.outputs.filter((n) => n !== '');
  const results = await timedRun(entry, feeds, wanted);
  // an output that is its input unchanged does not leave the session
  return plan.outputs.map((name, i) => (name === '' ? inputs[i] : toWire(results[name])));
}

/** @param {Loaded} entry @param {State} state @param {StepPlan} plan @param {WireArray[]} batch */
async function step(entry, state, plan, batch) {
  const n = plan.moves.length;
  /** @type {Record<string, ort.Tensor>} */
  const feeds = {};
  /** @type {Record<string, ort.Tensor | null>} */
  const fetches = {};
  for (let i = 0; i < n; i++) {
    feeds[plan.inputs[i]] = state.current[i];
    if (plan.moves[i] === 'inPlace') fetches[plan.outputs[i]] = state.current[i];
    else if (plan.moves[i] === 'swap') {
      state.spare[i] ??= emptyLike(state.current[i]);
      fetches[plan.outputs[i]] = state.spare[i] ?? null;
    }
  }
  batch.forEach((a, i) => {
    feeds[plan.inputs[n + i]] = toTensor(a);
  });
  for (let i = n; i < plan.outputs.length; i++) fetches[plan.outputs[i]] = null;
  const results = await timedRun(entry, feeds, fetches);
  for (let i = 0; i < n; i++) {
    if (plan.moves[i] !== 'swap') continue;
    const old = state.current[i];
    state.current[i] = /** @type {ort.Tensor} */ (state.spare[i]);
    state.spare[i] = old;
  }
  return plan.outputs.slice(n).map((name) => toWire(results[name]));
}

/** @param {Loaded} entry @returns {OperatorTime[]} */
function profile(entry) {
  const prefix = entry.config.profile;
  if (prefix === undefined) throw new Error('loaded without `profile: true`');
  entry.session.endProfiling();
  // onnxruntime appends a time stamp to the prefix; the file is alone in its folder
  const folder = dirname(prefix);
  const events = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]), 'utf8'));
  rmSync(folder, { recursive: true, force: true });
  /** @type {Map<string, { calls: number, us: number }>} */
  const byOp = new Map();
  for (const e of events) {
    if (e.cat !== 'Node' || !e.name.endsWith('_kernel_time')) continue;
    const op = e.args.op_name;
    if (op === 'Loop' || op === 'If' || op === 'Scan') continue; // their bodies are listed themselves
    const row = byOp.get(op) ?? { calls: 0, us: 0 };
    row.calls++;
    row.us += e.dur;
    byOp.set(op, row);
  }
  const total = [...byOp.values()].reduce((s, r) => s + r.us, 0) || 1;
  return [...byOp]
    .map(([op, r]) => ({ op, calls: r.calls, ms: r.us / 1000, share: r.us / total }))
    .sort((a, b) => b.ms - a.ms);
}

/** @param {Envelope} m @returns {Promise<Reply['value']>} */
async function handle(m) {
  switch (m.type) {
    case 'load':
      return void (await native(m.generation, () => load(m.session, m.bytes, m.config)));
    case 'release': {
      const entry = sessions.get(m.session);
      sessions.delete(m.session);
      return void (entry && (await native(Number.MAX_SAFE_INTEGER, () => entry.session.release())));
    }
    case 'run':
      return native(m.generation, () => run(sessionOf(m.session), m.plan, m.inputs));
    case 'setState':
      states.set(m.state, { current: m.arrays.map(toTensor), spare: [] });
      return undefined;
    case 'getState':
      return stateOf(m.state).current.map(copyWire);
    case 'freeState':
      states.delete(m.state);
      return undefined;
    case 'steps': {
      /** @type {WireArray[][]} */
      const results = [];
      try {
        for (const batch of m.batches) {
          results.push(
            await native(m.generation, () => step(sessionOf(m.session), stateOf(m.state), m.plan, batch)),
          );
        }
      } catch (e) {
        if (!(e instanceof Interrupted) || results.length === 0) throw e;
      }
      return results;
    }
    case 'profile':
      return profile(sessionOf(m.session));
    case 'stats':
      return { rss: process.memoryUsage.rss(), runMs, runs };
    default: {
      for (const entry of sessions.values())
        await native(Number.MAX_SAFE_INTEGER, () => entry.session.release());
      sessions.clear();
      states.clear();
      return undefined;
    }
  }
}

/** @param {Reply['value']} value @returns {ArrayBuffer[]} */
const buffersOf = (value) => {
  /** @type {Set<ArrayBuffer>} */
  const buffers = new Set();
  /** @param {any} v */
  const walk = (v) => {
    if (Array.isArray(v)) v.forEach(walk);
    else if (v?.data?.buffer) buffers.add(v.data.buffer);
  };
  walk(value);
  return [...buffers];
};

let queue = Promise.resolve();
port.on('message', (/** @type {Envelope} */ m) => {
  queue = queue.then(async () => {
    /** @type {Reply} */
    let reply;
    try {
      reply = { id: m.id, value: await handle(m) };
    } catch (e) {
      const message = e instanceof Error ? e.message : String(e);
      reply = { id: m.id, error: { message, interrupted: e instanceof Interrupted } };
    }
    port.postMessage(reply, buffersOf(reply.value));
    if (m.type === 'close') port.close();
  });
});
