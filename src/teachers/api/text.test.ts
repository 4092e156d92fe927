import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KEY, session } from './testing/fault-run.ts';
import { startServer, type TestServer, trueClass } from './testing/server.ts';
import { apiTextTeacher } from './text.ts';

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'decant-text-'));
  server = await startServer({ key: KEY });
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a teacher behind an API that writes', () => {
  const capabilities = { chat: true, topk: 5 };

  it('answers in order, asks each sample once, and never again', async () => {
    const one = await session(folder, server.baseURL);
    const teacher = apiTextTeacher(one.client, capabilities, { system: 'be short' });
    const options = { samples: 3, temperature: 0.7, seed: 'a', maxTokens: 8 };
    const first = await teacher.write(['x', 'y'], options);
    expect(first.map((s) => s.length)).toEqual([3, 3]);
    expect(first.map((s) => s[0].text)).toEqual(['x', 'y'].map((t) => trueClass(t, ['red', 'blue'])));
    expect(first[0][0].logp).toBeLessThan(0);
    expect(first[0][0].finished).toBe(true);
    expect(server.requests).toBe(6);
    expect(await teacher.write(['x', 'y'], options)).toEqual(first);
    expect(server.requests).toBe(6);
    await teacher.write(['x'], { ...options, seed: 'b' });
    expect(server.requests).toBe(9);
    await one.close();
  });

  it('asks for the likeliest text once, whatever the number of samples', async () => {
    const one = await session(folder, server.baseURL);
    const teacher = apiTextTeacher(one.client, capabilities);
    expect((await teacher.write(['x'], { samples: 5 }))[0]).toHaveLength(1);
    expect(apiTextTeacher(one.client, capabilities, { system: 'other' }).id).not.toBe(teacher.id);
    await one.close();
  });

  it('says how many questions got no answer', async () => {
    const one = await session(folder, server.baseURL, { retries: 0 });
    await server.close();
    const teacher = apiTextTeacher(one.client, capabilities);
    await expect(teacher.write(['x', 'y'], {})).rejects.toThrow(/got no answer/);
    await one.close();
    server = await startServer({ key: KEY });
  });
});
