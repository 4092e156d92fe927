import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DecantError } from '../errors.ts';
import { HARNESS } from './sandbox-harness.ts';

/**
 * JavaScript that a model wrote, run with its tests in a process of its own: empty environment, a temporary directory,
 * Node's permission model (no files outside of that directory, no child processes, workers, addons or inspector), caps on
 * heap, memory, processor time, wall time, file size and output, and no network. docs/data-steps.md says what each version
 * of Node guarantees.
 */
export interface SandboxOptions {
  /** Wall-clock seconds; default 5. */
  readonly seconds?: number;
  /** Heap in MiB; default 128. All memory of the process together: three times as much and 256 more. */
  readonly megabytes?: number;
  /** Bytes of output before the process is killed; default 65,536. */
  readonly output?: number;
  /**
   * `strict` (default): the kernel (a network and process namespace of Linux) or Node itself (from 25 on) keeps the network
   * shut; refused where neither can. `process`: on other machines, Node's own interfaces are closed from within, which stops
   * ordinary code and known tricks, not every attacker.
   */
  readonly isolation?: 'strict' | 'process';
}

export interface SandboxResult {
  /** `passed`: the code and its tests ran to their end. `failed`: they threw, or ended the process before that. */
  readonly outcome: 'passed' | 'failed' | 'timeout' | 'memory' | 'output';
  /** Standard output and error, cut to the cap. */
  readonly output: string;
  readonly milliseconds: number;
}

const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';
const NODE_SHUTS_NETWORK = process.allowedNodeEnvironmentFlags.has('--allow-net');
const UNSHARE = ['/usr/bin/unshare', '/bin/unshare'].find((p) => existsSync(p));
const NAMESPACES = ['--user', '--map-root-user', '--net', '--pid', '--ipc', '--fork', '--kill-child'];

let namespaces: Promise<boolean> | undefined;

/** Whether this machine lets an ordinary user make namespaces. */
const canUnshare = (): Promise<boolean> =>
  (namespaces ??= new Promise((resolve) => {
    if (process.platform !== 'linux' || !UNSHARE) return resolve(false);
    const child = spawn(UNSHARE, [...NAMESPACES, '/bin/sh', '-c', ':'], { stdio: 'ignore', env: {} });
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  }));

/** Errors: `usage` where `strict` isolation is not to be had. */
export async function runUntrusted(
  code: string,
  tests: string,
  options: SandboxOptions = {},
): Promise<SandboxResult> {
  const { seconds = 5, megabytes = 128, output = 1 << 16, isolation = 'strict' } = options;
  const unshare = await canUnshare();
  if (isolation === 'strict' && !unshare && !NODE_SHUTS_NETWORK)
    throw new DecantError('usage', 'this machine cannot keep the network shut for code that a model wrote', {
      at: 'isolation: strict',
      seen: `Node ${process.version} on ${process.platform}, no user namespaces`,
      allowed: 'Linux with user namespaces, or Node 25',
      fix: 'run it in a container without network, with isolation: process',
    });
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'decant-sandbox-')));
  const nonce = randomBytes(24).toString('hex');
  const began = performance.now();
  try {
    const node = [
      process.execPath,
      '--no-warnings',
      PERMISSION,
      `--allow-fs-read=${join(folder, '*')}`,
      `--allow-fs-write=${join(folder, '*')}`,
      `--max-old-space-size=${megabytes}`,
      '--max-semi-space-size=8',
      '--disable-proto=throw',
      '-e',
      HARNESS,
    ];
    const capped =
      process.platform === 'win32' ? node : ['/bin/sh', '-c', limits(seconds, megabytes), 'sh', ...node];
    const [command, ...args] = unshare ? [UNSHARE!, ...NAMESPACES, ...capped] : capped;
    const child = spawn(command, args, {
      cwd: folder,
      env: {},
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    let ended: SandboxResult['outcome'] | undefined;
    const kill = (why: SandboxResult['outcome']): void => {
      ended ??= why;
      try {
        // the whole group: the process is its leader
        process.kill(process.platform === 'win32' ? child.pid! : -child.pid!, 'SIGKILL');
      } catch {
        // it ended by itself
      }
    };
    const timer = setTimeout(() => kill('timeout'), 1000 * seconds);
    const parts: Buffer[] = [];
    let size = 0;
    const collect = (part: Buffer): void => {
      size += part.length;
      if (size <= output + nonce.length) parts.push(part);
      else kill('output');
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify({ code, tests, nonce }));
    const exit = await new Promise<{ status: number | null; signal: string | null }>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => resolve({ status, signal }));
    });
    clearTimeout(timer);
    const text = Buffer.concat(parts).toString('utf8');
    const outcome =
      ended ??
      (exit.status === 0 && text.endsWith(nonce)
        ? 'passed'
        : OUT_OF_MEMORY.test(text)
          ? 'memory'
          : OVER_TIME.has(exit.signal ?? exit.status ?? 0)
            ? 'timeout'
            : 'failed');
    return {
      outcome,
      output: text.replaceAll(nonce, '').slice(0, output),
      milliseconds: performance.now() - began,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const OUT_OF_MEMORY = /heap out of memory|allocation failed|ERR_MEMORY_ALLOCATION_FAILED|bad_alloc/i;
/** Ends by the cap on processor time, seen directly or through the shell and unshare. */
const OVER_TIME = new Set<string | number>(['SIGXCPU', 128 + 24]);

/** Caps of the kernel: processor time, memory that is written to, size of a file, no core files. */
const limits = (seconds: number, megabytes: number): string =>
  [
    `ulimit -t ${Math.ceil(seconds) + 1}`,
    `ulimit -f ${2 * 1024 * megabytes}`,
    'ulimit -c 0',
    process.platform === 'linux' ? `ulimit -d ${1024 * (3 * megabytes + 256)}` : ':',
    'exec "$@"',
  ].join(' && ');
