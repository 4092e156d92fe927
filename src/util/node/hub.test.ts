import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDecantError } from '../errors.ts';
import { downloadFromHub, type HubOptions, type HubProgress } from './hub.ts';
import { hubCacheDir, parseHubSpec } from './hub-spec.ts';
import { type HubServer, startHubServer } from './testing/hub-server.ts';

const NAME = 'acme/tiny';
const TOKEN = 'hf_secretSECRETsecret';
const BIG = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 3));
const FILES: Record<string, Buffer> = {
  'config.json': Buffer.from('{"model_type":"tiny"}'),
  'README.md': Buffer.from('# tiny'),
  'empty.txt': Buffer.alloc(0),
  'model.safetensors': BIG,
  'onnx/model.onnx': Buffer.from('ONNX'),
  'tokenizer.json': Buffer.from('{}'),
};

let dir: string;
let server: HubServer;
let events: HubProgress[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'decant-hub-'));
  server = await startHubServer(NAME, FILES, ['model.safetensors']);
  events = [];
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

const get = (options: HubOptions = {}, spec = `hub:${NAME}`) =>
  downloadFromHub(spec, {
    cacheDir: dir,
    hubUrl: server.url,
    env: {},
    retries: 3,
    retryDelayMs: 1,
    onProgress: (e) => events.push(e),
    ...options,
  });
const failure = async (options: HubOptions = {}, spec?: string): Promise<string> => {
  const error: unknown = await get(options, spec).then(
    () => undefined,
    (e) => e,
  );
  expect(isDecantError(error), `expected an error with advice, got ${error}`).toBe(true);
  const { message, stack, details } = error as Error & { details: unknown };
  const everything = `${message}${stack}${JSON.stringify(details)}${JSON.stringify(events)}`;
  expect(everything).not.toContain('secret');
  return message;
};
const content = async (folder: string): Promise<Record<string, string>> => {
  const out: Record<string, string> = {};
  for (const f of (await readdir(folder, { recursive: true })).map(String)) {
    const path = join(folder, f);
    if (!(await lstat(path)).isDirectory()) out[f] = (await readFile(path)).toString('base64');
  }
  return out;
};
const wanted = (names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((n) => [n, FILES[n].toString('base64')]));
const MODEL = ['config.json', 'empty.txt', 'model.safetensors', 'tokenizer.json'];
const transfers = (): string[] =>
  server.log.filter((l) => l.line.includes('blob/')).map((l) => l.line.split(' ')[2] ?? 'whole');

describe('hub downloads', () => {
  it('bring a model into the cache that other tools share', async () => {
    const d = await get();
    expect(d).toMatchObject({ commit: server.commit, files: MODEL, source: 'hub' });
    expect(await content(d.folder)).toEqual(wanted(MODEL));
    expect(d.folder).toBe(join(dir, 'models--acme--tiny', 'snapshots', server.commit));
    expect(await readFile(join(dir, 'models--acme--tiny', 'refs', 'main'), 'utf8')).toBe(server.commit);
    expect((await lstat(join(d.folder, 'config.json'))).isSymbolicLink()).toBe(true);
    expect(
      (await readdir(join(dir, 'models--acme--tiny', 'blobs'))).every((f) => /^[0-9a-f]+$/.test(f)),
    ).toBe(true);
  });

  it('take what is asked for', async () => {
    expect((await get({ files: 'tokenizer' })).files).toEqual(['config.json', 'tokenizer.json']);
    expect((await get({ files: (p) => p.startsWith('onnx/') })).files).toEqual(['onnx/model.onnx']);
    const all = await get({ files: 'all' });
    expect(await content(all.folder)).toEqual(wanted(Object.keys(FILES)));
    expect(await failure({ files: (p) => p === 'nope' })).toMatch(/none of the files.*config\.json/);
  });

  it('ask for the revision with its ETag, and fetch nothing twice', async () => {
    await get();
    server.log.length = 0;
    const again = await get();
    expect(again.source).toBe('hub');
    expect(server.log.map((l) => l.line.split('?')[0])).toEqual([`GET /api/models/${NAME}/revision/main`]);
    expect(server.log[0].ifNoneMatch).toMatch(/^W\//);
    server.log.length = 0;
    await get({}, `hub:${NAME}@${server.commit}`);
    expect(server.log).toEqual([]);
    server.commit = 'f00d'.padEnd(40, '0');
    expect((await get()).commit).toBe(server.commit);
    expect(transfers()).toEqual([]); // another commit with the same content: blobs are shared
  });

  it('take branches and tags with slashes', async () => {
    const d = await get({}, `hub:${NAME}@v1/beta`);
    expect(d.commit).toBe(server.commit);
    expect((await get({ offline: true }, `hub:${NAME}@v1/beta`)).commit).toBe(server.commit);
  });

  it('follow redirects to another origin without the token', async () => {
    server.token = TOKEN;
    const d = await get({ env: { HF_TOKEN: TOKEN } });
    expect(await content(d.folder)).toEqual(wanted(MODEL));
    const cdn = server.log.filter((l) => l.origin === 'cdn');
    expect(cdn.length).toBeGreaterThan(0);
    expect(cdn.every((l) => l.authorization === undefined)).toBe(true);
    expect(
      server.log.filter((l) => l.origin === 'hub').every((l) => l.authorization === `Bearer ${TOKEN}`),
    ).toBe(true);
  });
});

describe('cut hub downloads', () => {
  it('go on by range after every cut', async () => {
    server.faults = [
      { path: 'blob/model', cutAfter: 1 }, // uses up the probe of one byte
      { path: 'blob/model', cutAfter: 100_000 },
      { path: 'blob/model', times: 1 },
      { path: 'blob/model', cutAfter: 150_000 },
    ];
    const d = await get();
    expect(await content(d.folder)).toEqual(wanted(MODEL));
    const starts = transfers().flatMap((r) =>
      /^bytes=([1-9]\d*)-/.exec(r) ? [Number(r.slice(6).split('-')[0])] : [],
    );
    expect(starts.length).toBeGreaterThan(0);
    expect([...starts].sort((x, y) => x - y)).toEqual(starts);
    expect(events.some((e) => e.kind === 'retry' && e.path === 'model.safetensors')).toBe(true);
  });

  it('go on in a later call', async () => {
    server.faults = [
      { path: 'blob/model', times: 1 },
      { path: 'blob/model', cutAfter: 120_000 },
      { path: 'blob/model', status: 503, times: 100 },
    ];
    expect(await failure()).toMatch(
      /model\.safetensors: the download does not get on.*of 300000 bytes.*run again/,
    );
    server.faults = [];
    server.log.length = 0;
    const d = await get();
    expect(await content(d.folder)).toEqual(wanted(MODEL));
    expect(Number(/bytes=(\d+)-/.exec(transfers().at(-1)!)![1])).toBeGreaterThan(0);
  });

  it('start anew where the server ignores ranges', async () => {
    server.faults = [
      { path: 'blob/model', times: 1 },
      { path: 'blob/model', cutAfter: 100_000 },
      { path: 'blob/model', times: 1 },
      { path: 'blob/model', ignoreRange: true },
    ];
    expect(await content((await get()).folder)).toEqual(wanted(MODEL));
  });

  it('notice silence', async () => {
    server.faults = [
      { path: 'blob/model', times: 1 },
      { path: 'blob/model', hang: true },
    ];
    expect(await content((await get({ stallMs: 1000 })).folder)).toEqual(wanted(MODEL));
    expect(events.some((e) => e.kind === 'retry' && /no answer for 1000 ms/.test(e.reason))).toBe(true);
  });

  it('are checked: wrong bytes are fetched once more, then refused', async () => {
    server.faults = [
      { path: 'blob/model', times: 1 },
      { path: 'blob/model', garble: true },
    ];
    expect(await content((await get()).folder)).toEqual(wanted(MODEL));
    await rm(dir, { recursive: true });
    server.faults = [{ path: 'tokenizer.json', garble: true, times: 100 }];
    expect(await failure()).toMatch(/tokenizer\.json: the downloaded file has not the content.*twice/);
  });

  it('are refused where the length is wrong', async () => {
    server.faults = [{ path: 'blob/model', claimLength: 299_999, times: 100 }];
    expect(await failure()).toMatch(/model\.safetensors: the hub states 300000 bytes.*seen: 299999/);
  });
});

describe('hub refusals', () => {
  it('say what to do about tokens', async () => {
    server.token = TOKEN;
    expect(await failure()).toMatch(
      /hub:acme\/tiny@main: the hub refuses access \(status 401\).*token in HF_TOKEN/,
    );
    expect(await failure({ token: 'hf_wrong_secret' })).toMatch(/status 401.*may read this repository/);
    expect(await failure({ token: 'secret' })).toMatch(/HF_TOKEN: the access token is malformed/);
    server.token = undefined;
    server.faults = [{ path: 'resolve', status: 403, times: 9 }];
    expect(await failure()).toMatch(/config\.json: the hub refuses access \(status 403\)/);
    server.faults = [{ path: 'blob/model', status: 403, times: 9 }];
    expect(await failure()).toMatch(/model\.safetensors: the hub refuses access \(status 403\)/);
  });

  it('name what does not exist', async () => {
    expect(await failure({}, 'hub:acme/none')).toMatch(/hub:acme\/none@main: the hub has no such repository/);
    expect(await failure({}, `hub:${NAME}@nope`)).toMatch(/@nope: the hub has no such/);
    server.faults = [{ path: 'resolve', status: 404, times: 9 }];
    expect(await failure()).toMatch(/config\.json: the hub has no such repository, revision or file/);
  });

  it('are asked again later where the hub is busy', async () => {
    server.faults = [
      { path: '/revision/', status: 503 },
      { path: '/revision/', status: 429 },
      { path: '/tree/', status: 500 },
      { path: 'resolve', status: 502 },
    ];
    expect((await get()).files).toEqual(MODEL);
    expect(events.filter((e) => e.kind === 'retry').length).toBe(4);
  });
});

describe('without a connection', () => {
  it('the cache answers, where it holds every file', async () => {
    await get({ files: 'tokenizer' });
    server.log.length = 0;
    const d = await get({ files: 'tokenizer', offline: true });
    expect(d).toMatchObject({ source: 'cache', files: ['config.json', 'tokenizer.json'] });
    expect(await get({ files: 'tokenizer', env: { HF_HUB_OFFLINE: '1' } })).toMatchObject({
      source: 'cache',
    });
    expect(await get({ files: 'tokenizer', env: { DECANT_OFFLINE: 'true' } })).toMatchObject({
      source: 'cache',
    });
    expect(server.log).toEqual([]);
    expect(await failure({ offline: true })).toMatch(
      /not in the cache: empty\.txt, model\.safetensors \(offline\)/,
    );
    expect(await failure({ offline: true }, 'hub:acme/other')).toMatch(
      /hub:acme\/other@main: it is not in the cache/,
    );
  });

  it('the cache answers where the hub cannot be reached', async () => {
    await get();
    await server.close();
    const d = await get({ retries: 1 });
    expect(d.source).toBe('cache');
    expect(events.at(-1)?.kind).toBe('cached');
    expect(await failure({}, 'hub:acme/other')).toMatch(/not in the cache \(.*(ECONNREFUSED|fetch failed)/);
    server = await startHubServer(NAME, FILES, []);
  });
});

describe('names on the hub', () => {
  it('are read strictly', () => {
    expect(parseHubSpec('hub:gpt2')).toEqual({ type: 'model', name: 'gpt2', revision: 'main' });
    expect(parseHubSpec('hub:a/b.c@v1/x', 'dataset')).toEqual({
      type: 'dataset',
      name: 'a/b.c',
      revision: 'v1/x',
    });
    for (const bad of [
      'a/b',
      'hub:',
      'hub:a/b/c',
      'hub:../x',
      'hub:a/b@',
      'hub:a/b@../x',
      'hub:a--b/c',
      'hub:a/b c',
    ]) {
      expect(() => parseHubSpec(bad), bad).toThrow(/hub:owner\/name/);
    }
    expect(hubCacheDir({ HF_HOME: '/h' })).toBe(join('/h', 'hub'));
    expect(hubCacheDir({ HF_HOME: '/h', HF_HUB_CACHE: '/c' })).toBe('/c');
  });
});
