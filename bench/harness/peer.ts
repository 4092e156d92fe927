import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * A library under test, as a process of its own, so that memory and threads are its own. It prints one JSON line when
 * ready (`{ ready, name }`, or `{ error }`); for each line with a number n on its input it runs n steps and prints
 * `{ times, value, cpuMs, peakMb }`, times in milliseconds. It ends when its input does.
 */
export interface Peer {
  readonly name: string;
  readonly ready: Readonly<Record<string, unknown>>;
  steps(n: number): Promise<Turn>;
  close(): Promise<void>;
}

export interface Turn {
  times: number[];
  /** Loss or an output element: shows that something was computed. */
  value: number;
  /** Processor time of these steps, all threads together. */
  cpuMs: number;
  peakMb: number;
  /** Milliseconds inside onnxruntime, of Decant's engine. */
  runMs?: number;
}

/** Starts a peer; the reason as an Error when it cannot run the case. */
export async function startPeer(
  command: string,
  args: readonly string[],
  timeoutMs = 120_000,
): Promise<Peer> {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr!.on('data', (d) => {
    stderr = (stderr + d).slice(-2000);
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (e) => {
      stderr += e.message;
      resolve();
    });
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown>> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs / 1000} s`)), timeoutMs);
    });
    try {
      for (;;) {
        const { value, done } = await Promise.race([lines.next(), late]);
        if (done)
          throw new Error(stderr.trim().split('\n').slice(-3).join(' | ') || 'ended without a message');
        if (!value.startsWith('{')) continue; // libraries greet on stdout
        const message = JSON.parse(value) as Record<string, unknown>;
        if (message.error) throw new Error(String(message.error));
        return message;
      }
    } catch (e) {
      child.kill();
      throw e;
    } finally {
      clearTimeout(timer);
    }
  };
  const ready = await next();
  return {
    name: String(ready.name),
    ready,
    async steps(n) {
      child.stdin!.write(`${n}\n`);
      return (await next()) as unknown as Turn;
    },
    async close() {
      child.stdin!.end();
      await exited;
    },
  };
}

export interface Spread {
  median: number;
  /** 10th and 90th percentile. */
  low: number;
  high: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  return { median: at(0.5), low: at(0.1), high: at(0.9) };
}
