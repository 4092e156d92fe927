import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DecantError } from '../../util/errors.ts';
import { BUSY, type Envelope, type Reply, type Request, STOP } from './protocol.ts';

/** The main thread's end of an engine's worker thread. */
export interface WorkerClient {
  /** Sends a request; the buffers in `transfer` change hands. Errors: `engine`, `interrupted`. */
  ask(request: Request, transfer?: ArrayBuffer[]): Promise<Reply['value']>;
  /** Requests sent before this do not begin any more. */
  interrupt(): void;
  /** Waits until the thread has ended by itself. */
  close(): Promise<void>;
}

// The thread may be inside onnxruntime when the process exits (process.exit, an uncaught error); tearing it down
// there aborts the process with a core dump. So exit waits for the native call to return, and lets none begin.
const live = new Set<Int32Array>();
function onExit(): void {
  for (const flags of live) {
    Atomics.store(flags, STOP, 0x7fffffff);
    while (Atomics.load(flags, BUSY) === 1) Atomics.wait(flags, BUSY, 1, 1000);
  }
}

export const defaultThreads = (): number => availableParallelism();

export function startWorker(): WorkerClient {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const url = new URL('./worker.js', import.meta.url);
  // execArgv: loaders of the parent (tsx, vitest) are not needed and only slow the start
  const worker = new Worker(url, { workerData: { flags: flags.buffer }, execArgv: [] });
  const pending = new Map<number, { resolve: (v: Reply['value']) => void; reject: (e: Error) => void }>();
  let nextId = 0;
  let generation = 0;
  let ended: Error | undefined;
  let closing: Promise<void> | undefined;
  if (live.size === 0) process.on('exit', onExit);
  live.add(flags);

  const end = (error: Error): void => {
    ended ??= error;
    live.delete(flags);
    if (live.size === 0) process.off('exit', onExit);
    for (const p of pending.values()) p.reject(ended);
    pending.clear();
  };
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.on('error', (e) =>
    end(new DecantError('engine', 'the engine thread failed', { cause: e, seen: e.message })),
  );
  worker.on('exit', () =>
    end(new DecantError('engine', 'the engine is closed', { fix: 'create a new engine' })),
  );
  worker.on('message', (reply: Reply) => {
    const p = pending.get(reply.id);
    pending.delete(reply.id);
    // an idle engine does not keep the process alive
    if (pending.size === 0) worker.unref();
    if (!p) return;
    if (!reply.error) p.resolve(reply.value);
    else if (reply.error.interrupted)
      p.reject(new DecantError('interrupted', 'the step was not begun: the engine was interrupted'));
    else p.reject(new DecantError('engine', reply.error.message));
  });
  worker.unref();

  const ask = (request: Request, transfer: ArrayBuffer[] = []): Promise<Reply['value']> =>
    new Promise((resolve, reject) => {
      if (ended) {
        reject(ended);
        return;
      }
      const envelope: Envelope = { ...request, id: nextId++, generation };
      pending.set(envelope.id, { resolve, reject });
      worker.ref();
      worker.postMessage(envelope, transfer);
    });
  const interrupt = (): void => {
    generation++;
    Atomics.store(flags, STOP, generation);
  };
  return {
    ask,
    interrupt,
    close() {
      closing ??= (async () => {
        if (ended) return;
        interrupt();
        await ask({ type: 'close' });
        worker.ref();
        await exited;
      })();
      return closing;
    },
  };
}
