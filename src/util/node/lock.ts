import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { DecantError } from '../errors.ts';

export interface FileLock {
  readonly path: string;
  /** Gives the lock back; safe to call twice. */
  release(): void;
}

interface Holder {
  pid: number;
  host: string;
  /** Kernel start time of the process (Linux), so that a reused process id is not taken for the holder. */
  start: string | null;
  since: string;
}

/**
 * Takes an exclusive lock file, or throws a DecantError that names the holder. A lock whose process is gone is
 * taken over; one written on another host is never judged dead (remove it by hand).
 */
export function acquireLock(path: string, what: string): FileLock {
  mkdirSync(dirname(path), { recursive: true });
  for (let attempt = 0; attempt < 50; attempt++) {
    if (create(path)) {
      const release = (): void => {
        process.removeListener('exit', release);
        if (isMine(readHolder(path))) rmSync(path, { force: true });
      };
      process.on('exit', release);
      return { path, release };
    }
    const holder = readHolder(path);
    if (holder === 'gone') continue;
    if (holder !== 'torn' && isAlive(holder)) {
      throw new DecantError('usage', `${what} is in use by process ${holder.pid} on ${holder.host}`, {
        at: path,
        seen: holder,
        fix: 'wait for it, stop it, or use another folder',
      });
    }
    takeOver(path, holder);
  }
  throw new DecantError('usage', `${what} is locked`, {
    at: path,
    fix: 'remove the lock file if nothing runs',
  });
}

function create(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  const me: Holder = {
    pid: process.pid,
    host: hostname(),
    start: startTime(process.pid),
    since: new Date().toISOString(),
  };
  writeSync(fd, JSON.stringify(me));
  closeSync(fd);
  return true;
}

function readHolder(path: string): Holder | 'gone' | 'torn' {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'torn';
  }
}

const isMine = (holder: Holder | 'gone' | 'torn'): boolean =>
  typeof holder === 'object' && holder.pid === process.pid && holder.host === hostname();

function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = startTime(holder.pid);
  return holder.start === null || now === null || holder.start === now;
}

/** Removes a dead lock under a short-lived second lock, so that two takers never remove each other's new lock. */
function takeOver(path: string, seen: Holder | 'torn'): void {
  const guard = `${path}.takeover`;
  let fd: number;
  try {
    fd = openSync(guard, 'wx');
  } catch {
    if (olderThan(guard, 10_000)) rmSync(guard, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    return;
  }
  try {
    const now = readHolder(path);
    const same = JSON.stringify(now) === JSON.stringify(seen);
    // a torn lock may be one that is being written at this moment: give its writer two seconds
    if (same && (seen !== 'torn' || olderThan(path, 2_000))) rmSync(path, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  } finally {
    closeSync(fd);
    rmSync(guard, { force: true });
  }
}

function olderThan(path: string, ms: number): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs > ms;
  } catch {
    return false;
  }
}

function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return null;
  }
}
