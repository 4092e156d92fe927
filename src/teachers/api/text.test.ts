import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { session } from './testing/fault-run.ts';
import { startServer, type TestServer, trueClass } from './testing/server.ts';
import { apiTextTeacher } from './text.ts';

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'decant-text-'));
  server = await startServer();
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});
const kinds = ['order', 'return', 'complaint'];
const schema = {
  type: 'object',
  properties: { kind: { type: 'string', enum: kinds } },
  required: ['kind'],
  additionalProperties: false,
} as const;
const chat = { chat: true, topk: 0, schema: 'json_schema' } as const;

it('writes JSON that fits a schema, and nothing else', async () => {
  const { client, close } = await session(folder, server.baseURL);
  const teacher = apiTextTeacher(client, chat, { schema });
  const [[one], [two]] = await teacher.write(['where is my parcel', 'it broke'], {});
  expect(one.text).toBe(JSON.stringify({ kind: trueClass('where is my parcel', kinds) }));
  expect(JSON.parse(two.text)).toEqual({ kind: trueClass('it broke', kinds) });
  // a server that is told by the prompt alone answers something else: no text, after the repairs
  const loose = apiTextTeacher(client, { ...chat, schema: 'none' }, { schema });
  expect(await loose.write(['where is my parcel'], {})).toEqual([[]]);
  expect(teacher.id).not.toBe(apiTextTeacher(client, chat, {}).id);
  await close();
});

it('refuses a schema where there is no chat', async () => {
  const { client, close } = await session(folder, server.baseURL);
  expect(() => apiTextTeacher(client, { ...chat, chat: false }, { schema })).toThrow(
    /needs? an endpoint that chats/,
  );
  await close();
});
