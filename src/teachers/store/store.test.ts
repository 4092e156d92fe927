import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRng } from '../../util/rng.ts';
import { listSegments, segmentName } from './format.ts';
import { sourceId } from './key.ts';
import type { Signal } from './signal.ts';
import { openSignalStore, type SignalStore } from './store.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'decant-store-'));
const source = { teacher: 'teacher-a', signal: 'score', settings: { temperature: 1 } };
const score = (...values: number[]): Signal => ({ form: 'score', values: Float64Array.from(values) });
const first = (dir: string): string => join(dir, segmentName(1));

async function filled(dir: string, n: number, options = {}): Promise<void> {
  const store = openSignalStore(dir, { write: true, ...options });
  const shelf = store.shelf(source);
  await Promise.all(Array.from({ length: n }, (_, i) => shelf.put(`input ${i}`, score(i, i * i))));
  await store.close();
}

/** Inputs 0..n-1 whose signal can be read; a wrong value fails. */
function readable(store: SignalStore, n: number): number[] {
  const shelf = store.shelf(source);
  return Array.from({ length: n }, (_, i) => i).filter((i) => {
    const got = shelf.get(`input ${i}`);
    if (got) expect(got).toEqual(score(i, i * i));
    return got !== undefined;
  });
}

describe('signal store', () => {
  it('gives back what was put, at once and after reopening, keyed by teacher, settings and input', async () => {
    const dir = folder();
    const store = openSignalStore(dir, { write: true });
    const shelf = store.shelf(source);
    const pending = shelf.put({ messages: ['a'] }, { form: 'text', text: 'hi', meta: { cost: 2 } });
    expect(shelf.get({ messages: ['a'] })).toEqual({ form: 'text', text: 'hi', meta: { cost: 2 } });
    await pending;
    await shelf.put('x', score(1));
    await shelf.put('x', score(2)); // the newer one counts
    await shelf.put(Uint8Array.from([1, 2]), score(3));
    await store.close();
    const again = openSignalStore(dir);
    const same = again.shelf({ signal: 'score', teacher: 'teacher-a', settings: { temperature: 1 } });
    expect(same.get('x')).toEqual(score(2));
    expect(same.get(Uint8Array.from([1, 2]))).toEqual(score(3));
    expect(same.has('y')).toBe(false);
    expect(again.shelf({ ...source, settings: { temperature: 2 } }).has('x')).toBe(false);
    expect(again.shelf({ ...source, teacher: 'teacher-b' }).has('x')).toBe(false);
    expect(again.size).toBe(3);
    expect([...again.records()].map((r) => [r.form, r.source?.teacher])).toEqual([
      ['text', 'teacher-a'],
      ['score', 'teacher-a'],
      ['score', 'teacher-a'],
    ]);
    expect(() => same.put('z', score(1))).toThrow(/reading only/);
  });

  it('allows one writer and many readers', async () => {
    const dir = folder();
    const store = openSignalStore(dir, { write: true });
    expect(() => openSignalStore(dir, { write: true })).toThrow(/in use by process/);
    const reader = openSignalStore(dir);
    await store.shelf(source).put('input 0', score(0, 0));
    expect(readable(reader, 1)).toEqual([]);
    reader.refresh();
    expect(readable(reader, 1)).toEqual([0]);
    await store.close();
    await openSignalStore(dir, { write: true }).close();
    expect(() => openSignalStore(join(dir, 'none'))).toThrow(/no signal store/);
  });

  it('loses only the torn record, whatever byte the file was cut at, and goes on from there', async () => {
    const whole = folder();
    await filled(whole, 3);
    const bytes = readFileSync(first(whole));
    const dir = folder();
    const recordBytes = 36 + 16;
    const before = bytes.length - 3 * recordBytes;
    for (let cut = 0; cut <= bytes.length; cut++) {
      writeFileSync(first(dir), bytes.subarray(0, cut));
      const expected = Math.max(0, Math.floor((cut - before) / recordBytes));
      const reader = openSignalStore(dir);
      expect(readable(reader, 3)).toEqual([...Array(expected).keys()]);
      await reader.close();
      if (cut % 5 && cut > 40 && cut % recordBytes > 4) continue; // writing is slow: fewer places between the borders
      const writer = openSignalStore(dir, { write: true });
      expect(writer.size).toBe(expected);
      await writer.shelf(source).put('input 2', score(2, 4));
      await writer.close();
      const again = openSignalStore(dir);
      expect(readable(again, 3)).toEqual([...Array(Math.min(expected, 2)).keys(), 2]);
      expect(again.damage).toEqual([]);
      await again.close();
    }
  });

  it('never returns a wrong signal when a byte is damaged, and loses at most the record it lies in', async () => {
    const whole = folder();
    await filled(whole, 3);
    const bytes = readFileSync(first(whole));
    const dir = folder();
    const rng = createRng('damage');
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 1 + rng.int(255);
      writeFileSync(first(dir), damaged);
      const reader = openSignalStore(dir);
      const got = readable(reader, 3);
      await reader.close();
      expect(got.length).toBeGreaterThanOrEqual(2);
      if (at % 7) continue;
      const store = openSignalStore(dir, { write: true });
      expect(readable(store, 3)).toEqual(got);
      // damage in the last record looks like a torn tail and is cut; elsewhere it is reported
      expect(store.damage.length + (store.tornBytes > 0 ? 1 : 0)).toBe(1);
      await store.shelf(source).put('later', score(7));
      await store.close();
      const again = openSignalStore(dir);
      expect(readable(again, 3)).toEqual(got);
      expect(again.shelf(source).get('later')).toEqual(score(7));
      await again.close();
    }
  });

  it('finds its records behind a stretch of zeros, and takes no copied record for one', async () => {
    const dir = folder();
    await filled(dir, 50);
    const bytes = readFileSync(first(dir));
    const damaged = Buffer.from(bytes).fill(0, 400, 1100);
    // a copy of another record inside the damaged stretch: whole, but not at its place
    bytes.copy(damaged, 500, bytes.length - 52);
    writeFileSync(first(dir), damaged);
    const store = openSignalStore(dir);
    const got = readable(store, 50);
    expect(got.length).toBeLessThan(50);
    expect(got).toContain(49);
    expect(got.length).toBeGreaterThan(32);
    expect(store.damage).toHaveLength(1);
  });

  it('rolls over to new segments, also for a record larger than one', async () => {
    const dir = folder();
    await filled(dir, 100, { segmentBytes: 1000 });
    expect(listSegments(dir).length).toBeGreaterThan(5);
    const store = openSignalStore(dir, { write: true, segmentBytes: 1000 });
    const big = score(...Array.from({ length: 5000 }, (_, i) => i));
    await store.shelf(source).put('big', big);
    await store.shelf(source).put('after', score(1));
    expect(store.shelf(source).get('big')).toEqual(big);
    await store.close();
    const again = openSignalStore(dir);
    expect(readable(again, 100)).toHaveLength(100);
    expect(again.shelf(source).get('big')).toEqual(big);
    expect([...again.records()]).toHaveLength(102);
  });

  it('compacts: newest versions stay, damage and what is not kept go, readers follow', async () => {
    const dir = folder();
    await filled(dir, 40, { segmentBytes: 800 });
    const store = openSignalStore(dir, { write: true, segmentBytes: 800 });
    await store.shelf({ ...source, teacher: 'old' }).put('input 1', score(9));
    for (let i = 0; i < 40; i++) await store.shelf(source).put(`input ${i}`, score(i, i * i));
    const reader = openSignalStore(dir);
    expect(reader.size).toBe(41);
    const { before, after } = await store.compact((r) => r.source?.teacher !== 'old');
    expect(after).toBeLessThan(0.65 * before);
    expect(store.stats().bySource.map((s) => s.source?.teacher)).toEqual(['teacher-a']);
    expect(readable(reader, 40)).toHaveLength(40); // its open files still hold the old records
    reader.refresh();
    expect(reader.size).toBe(40);
    expect(readable(reader, 40)).toHaveLength(40);
    expect(readable(store, 40)).toHaveLength(40);
    await store.shelf(source).put('input 40', score(40, 1600));
    await store.close();
    expect(readable(openSignalStore(dir), 41)).toHaveLength(41);
  });

  it('keeps every acknowledged record when the writer is killed', async () => {
    const dir = folder();
    const script = `
      import { openSignalStore } from ${JSON.stringify(join(import.meta.dirname, 'store.ts'))};
      const store = openSignalStore(${JSON.stringify(dir)}, { write: true, segmentBytes: 20000 });
      const shelf = store.shelf(${JSON.stringify(source)});
      for (let i = 0; ; i += 4) {
        await Promise.all([0, 1, 2, 3].map((j) =>
          shelf.put('input ' + (i + j), { form: 'score', values: Float64Array.from([i + j, (i + j) ** 2]) })));
        process.stdout.write((i + 4) + '\\n');
      }`;
    const file = join(dir, 'writer.mts');
    writeFileSync(file, script.replace(/^ {6}/gm, ''));
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let acknowledged = 0;
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text: Buffer) => {
        acknowledged = Number(text.toString().trim().split('\n').pop());
        if (acknowledged > 400) child.kill('SIGKILL');
      });
      child.on('exit', () => resolve());
    });
    expect(existsSync(join(dir, 'lock'))).toBe(true); // nobody gave it back
    const store = openSignalStore(dir, { write: true });
    const got = readable(store, acknowledged);
    expect(got).toHaveLength(acknowledged);
    await store.close();
    rmSync(dir, { recursive: true });
  });

  it('names a source by its canonical JSON', () => {
    const id = sourceId({ teacher: 't', signal: 's' });
    expect(id.json).toBe('{"settings":null,"signal":"s","teacher":"t"}');
    expect(sourceId({ teacher: 't', signal: 's', settings: null }).tag).toBe(id.tag);
  });
});
