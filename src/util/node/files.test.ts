import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../canonical-json.ts';
import { writeFileAtomic } from './atomic.ts';
import { contentHash, fileHash, sha256 } from './hash.ts';
import { openJsonl, readJsonl } from './jsonl.ts';
import { acquireLock } from './lock.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'decant-files-'));

describe('canonicalJson', () => {
  it('does not depend on key order, drops undefined, refuses NaN', () => {
    expect(canonicalJson({ b: [1, { z: null, y: 'ä' }], a: undefined })).toBe('{"b":[1,{"y":"ä","z":null}]}');
    expect(contentHash({ a: 1, b: 2 })).toBe(contentHash({ b: 2, a: 1 }));
    expect(() => canonicalJson({ a: Number.NaN })).toThrow(/NaN/);
    expect(() => canonicalJson(new Float32Array(2))).toThrow(/typed arrays/);
  });
  it('hashes as SHA-256 does', async () => {
    expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    const path = join(folder(), 'x');
    writeFileSync(path, 'abc');
    expect(await fileHash(path)).toBe(sha256('abc'));
  });
});

describe('writeFileAtomic', () => {
  it('replaces the file and leaves nothing beside it', () => {
    const dir = folder();
    writeFileAtomic(join(dir, 'deep', 'a.txt'), 'one');
    writeFileAtomic(join(dir, 'deep', 'a.txt'), new Uint8Array([116, 119, 111]));
    expect(readFileSync(join(dir, 'deep', 'a.txt'), 'utf8')).toBe('two');
    expect(readdirSync(join(dir, 'deep'))).toEqual(['a.txt']);
  });
  it('leaves the old file when the new one cannot be put in place', () => {
    const dir = folder();
    writeFileAtomic(join(dir, 'target', 'inside'), 'x');
    expect(() => writeFileAtomic(join(dir, 'target'), 'y')).toThrow();
    expect(readdirSync(dir)).toEqual(['target']);
  });
});

describe('jsonl', () => {
  it('keeps all whole lines whatever byte the file was torn at', () => {
    const dir = folder();
    const path = join(dir, 'whole.jsonl');
    const journal = openJsonl<{ i: number; s: string }>(path);
    for (let i = 0; i < 5; i++) journal.append({ i, s: 'é'.repeat(i) });
    journal.close();
    const bytes = readFileSync(path);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const torn = join(dir, 'torn.jsonl');
      writeFileSync(torn, bytes.subarray(0, cut));
      const whole = bytes.subarray(0, cut).filter((b) => b === 10).length;
      expect(readJsonl(torn).values).toHaveLength(whole);
      const again = openJsonl<{ i: number; s: string }>(torn);
      again.append({ i: 99, s: '' });
      again.close();
      const read = readJsonl<{ i: number }>(torn);
      expect(read.values.map((v) => v.i)).toEqual([...Array(whole).keys(), 99]);
      expect(read.tornBytes).toBe(0);
    }
  });
  it('reports damaged lines by number and goes on', () => {
    const path = join(folder(), 'a.jsonl');
    writeFileSync(path, '{"a":1}\n{"a":\0\0}\n\n{"a":3}\n{"a"');
    const read = readJsonl<{ a: number }>(path);
    expect(read.values.map((v) => v.a)).toEqual([1, 3]);
    expect(read.damaged).toEqual([2]);
    expect(read.tornBytes).toBe(4);
  });
  it('reads lines longer than its buffer and cuts torn lines longer than its buffer', () => {
    const path = join(folder(), 'a.jsonl');
    const journal = openJsonl<string>(path);
    journal.append('x'.repeat(3 << 20));
    journal.append('y');
    journal.close();
    appendFileSync(path, '"'.padEnd(200_000, 'z'));
    expect(readJsonl<string>(path).values.map((v) => v.length)).toEqual([3 << 20, 1]);
    expect(openJsonl(path).recovered.tornBytes).toBe(200_000);
    truncateSync(path, 10);
    expect(openJsonl(path).recovered.tornBytes).toBe(10);
    expect(readFileSync(path).length).toBe(0);
  });
});

describe('acquireLock', () => {
  it('refuses a second holder, is free after release, and is taken over from a dead process', () => {
    const path = join(folder(), 'lock');
    const lock = acquireLock(path, 'the store');
    expect(() => acquireLock(path, 'the store')).toThrow(/in use by process/);
    lock.release();
    expect(existsSync(path)).toBe(false);
    const dead = spawnSync(process.execPath, ['-e', 'console.log(process.pid)']).stdout.toString().trim();
    writeFileSync(path, JSON.stringify({ pid: Number(dead), host: hostname(), start: null, since: '' }));
    acquireLock(path, 'the store').release();
    // same process id, other start time: the id was reused
    writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname(), start: '1', since: '' }));
    if (existsSync('/proc/self/stat')) acquireLock(path, 'the store').release();
    writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere', start: null, since: '' }));
    expect(() => acquireLock(path, 'the store')).toThrow(/elsewhere/);
  });
});
