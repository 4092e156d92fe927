import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { datasetInfo, downloadFile, HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import { DecantError } from '../errors.ts';
import { checkPath } from '../folder.ts';
import { type HubCache, type HubFile, hashMatches, hubCache } from './hub-cache.ts';
import { explainHubError, StatusError, Unreachable } from './hub-errors.ts';
import {
  type Environment,
  type HubSpec,
  hubCacheDir,
  hubToken,
  isOffline,
  parseHubSpec,
} from './hub-spec.ts';
import { acquireLock, type FileLock } from './lock.ts';

export interface HubOptions {
  /** Which files: those of a model with its tokenizer (default), of the tokenizer alone, all, or by path. */
  files?: 'model' | 'tokenizer' | 'all' | ((path: string) => boolean);
  type?: HubSpec['type'];
  /** Default: HF_HUB_CACHE, HF_HOME or ~/.cache/huggingface/hub. */
  cacheDir?: string;
  /** Default: HF_TOKEN. Sent to the hub only, never printed. */
  token?: string;
  /** Use the cache only. Default: DECANT_OFFLINE or HF_HUB_OFFLINE. */
  offline?: boolean;
  /** Default: HF_ENDPOINT or https://huggingface.co. */
  hubUrl?: string;
  /** Attempts without any new byte before a file is given up. Default 5. */
  retries?: number;
  /** Wait before the next attempt, doubled each time. Default 1000 ms. */
  retryDelayMs?: number;
  /** A connection that is silent for so long counts as cut. Default 60,000 ms. */
  stallMs?: number;
  onProgress?: (event: HubProgress) => void;
  env?: Environment;
}

export type HubProgress =
  | { kind: 'file'; path: string; done: number; size: number }
  | { kind: 'retry'; path: string; done: number; size: number; reason: string }
  | { kind: 'cached'; reason: string };

export interface HubDownload {
  /** A folder with the files, laid out as in the repository. */
  folder: string;
  commit: string;
  files: string[];
  /** `cache` where the network was not asked or could not be reached. */
  source: 'hub' | 'cache';
}

const MODEL_FILES = /^(?!\.)[^/]+\.(json|jinja|safetensors|txt|model)$|^additional_chat_templates\//;
const TOKENIZER_FILES =
  /^(tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|.*\.model|chat_template\.(jinja|json)|config\.json)$|^additional_chat_templates\//;

/**
 * Brings `hub:owner/name[@revision]` into the local cache and returns its folder. Every file is checked against the
 * hash that the hub states; cut downloads go on where they stopped, also in a later call.
 */
export async function downloadFromHub(
  spec: string | HubSpec,
  options: HubOptions = {},
): Promise<HubDownload> {
  const repo = typeof spec === 'string' ? parseHubSpec(spec, options.type) : spec;
  const env = options.env ?? process.env;
  const connection: Connection = {
    repo,
    token: options.token ?? hubToken(env),
    hubUrl: (options.hubUrl ?? env.HF_ENDPOINT ?? 'https://huggingface.co').replace(/\/+$/, ''),
    retries: options.retries ?? 5,
    retryDelayMs: options.retryDelayMs ?? 1000,
    stallMs: options.stallMs ?? 60_000,
    onProgress: options.onProgress ?? (() => {}),
  };
  const cache = hubCache(options.cacheDir ?? hubCacheDir(env), repo);
  const wanted = filterOf(options.files ?? 'model');
  if (options.offline ?? isOffline(env)) return fromCache(connection, cache, wanted, 'offline');
  let commit: string;
  let list: HubFile[];
  try {
    commit = await resolveCommit(connection, cache);
    list = await listOf(connection, cache, commit);
  } catch (error) {
    const problem = explain(connection, error);
    if (!(problem instanceof Unreachable)) throw problem;
    connection.onProgress({ kind: 'cached', reason: problem.message });
    return fromCache(connection, cache, wanted, problem.message);
  }
  const files = list.filter((f) => wanted(f.path));
  if (files.length === 0) {
    throw new DecantError('data', 'the repository has none of the files that were asked for', {
      at: nameOf(repo),
      seen: list.map((f) => f.path).slice(0, 20),
    });
  }
  const lock = await waitForLock(join(cache.root, 'decant', 'download.lock'), nameOf(repo));
  try {
    for (const file of files) {
      if (!(await cache.hasBlob(file))) await fetchBlob(connection, cache, commit, file);
      await cache.link(commit, file);
    }
  } finally {
    lock.release();
  }
  return { folder: cache.snapshot(commit), commit, files: files.map((f) => f.path), source: 'hub' };
}

interface Connection {
  repo: HubSpec;
  token: string | undefined;
  hubUrl: string;
  retries: number;
  retryDelayMs: number;
  stallMs: number;
  onProgress: (event: HubProgress) => void;
}

const nameOf = (repo: HubSpec): string => `hub:${repo.name}@${repo.revision}`;
const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

function filterOf(files: NonNullable<HubOptions['files']>): (path: string) => boolean {
  if (typeof files === 'function') return files;
  if (files === 'all') return () => true;
  return (path) => (files === 'model' ? MODEL_FILES : TOKENIZER_FILES).test(path);
}

async function fromCache(
  connection: Connection,
  cache: HubCache,
  wanted: (path: string) => boolean,
  reason: string,
): Promise<HubDownload> {
  const { repo } = connection;
  const commit = isCommit(repo.revision) ? repo.revision : await cache.readRef(repo.revision);
  const list = commit === undefined ? undefined : await cache.readList(commit);
  const missing: string[] = [];
  const files = (list ?? []).map((f) => f.path).filter(wanted);
  for (const path of files) if (!(await cache.hasFile(commit!, path))) missing.push(path);
  if (commit !== undefined && files.length > 0 && missing.length === 0) {
    return { folder: cache.snapshot(commit), commit, files, source: 'cache' };
  }
  const what =
    missing.length > 0 ? `these files are not in the cache: ${missing.join(', ')}` : 'it is not in the cache';
  throw new DecantError('data', `${what} (${reason})`, {
    at: nameOf(repo),
    seen: cache.root,
    fix: 'run once with a connection, or set HF_HUB_CACHE to the folder that holds it',
  });
}

/** The commit of a branch or tag. The hub is asked with the ETag of its last answer and may say 304. */
async function resolveCommit(c: Connection, cache: HubCache): Promise<string> {
  if (isCommit(c.repo.revision)) return c.repo.revision;
  const note = `revision-${c.repo.revision}`;
  const known = await cache.readJson<{ etag: string; body: string }>(note);
  const conditional: typeof fetch = async (url, init) => {
    const headers = new Headers(init?.headers);
    if (known) headers.set('If-None-Match', known.etag);
    const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(c.stallMs) });
    if (response.status === 304 && known) {
      return new Response(known.body, { headers: { 'content-type': 'application/json' } });
    }
    const etag = response.headers.get('etag');
    if (response.ok && etag) await cache.writeJson(note, { etag, body: await response.clone().text() });
    return response;
  };
  const { name, revision, type } = c.repo;
  const ask = { ...access(c), name, revision, fetch: conditional };
  const { sha } = await retrying(c, name, () =>
    type === 'model'
      ? modelInfo({ ...ask, additionalFields: ['sha'] })
      : datasetInfo({ ...ask, additionalFields: ['sha'] }),
  );
  if (!isCommit(sha ?? ''))
    throw new DecantError('data', 'the hub gave no commit', { at: nameOf(c.repo), seen: sha });
  await cache.writeRef(c.repo.revision, sha);
  return sha;
}

async function listOf(c: Connection, cache: HubCache, commit: string): Promise<HubFile[]> {
  const known = await cache.readList(commit);
  if (known) return known;
  const files = await retrying(c, c.repo.name, async () => {
    const out: HubFile[] = [];
    const timed: typeof fetch = (url, init) =>
      fetch(url, { ...init, signal: AbortSignal.timeout(c.stallMs) });
    const repo = { type: c.repo.type, name: c.repo.name };
    for await (const e of listFiles({
      ...access(c),
      repo,
      revision: commit,
      recursive: true,
      fetch: timed,
    })) {
      if (e.type !== 'file') continue;
      const hash = e.lfs?.oid ?? e.oid ?? '';
      if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(hash)) {
        throw new DecantError('data', 'the hub gave no hash for a file', {
          at: `${nameOf(c.repo)}: ${e.path}`,
          seen: hash,
        });
      }
      checkPath(e.path, nameOf(c.repo));
      out.push({ path: e.path, size: e.lfs?.size ?? e.size, hash, large: e.lfs !== undefined });
    }
    return out;
  });
  await cache.writeList(commit, files);
  return files;
}

const access = (c: Connection): { hubUrl: string; accessToken?: string } =>
  c.token === undefined ? { hubUrl: c.hubUrl } : { hubUrl: c.hubUrl, accessToken: c.token };

/** Downloads one file beside its place, going on where an earlier attempt was cut, checks it and moves it there. */
async function fetchBlob(c: Connection, cache: HubCache, commit: string, file: HubFile): Promise<void> {
  const path = `${cache.blob(file)}.incomplete`;
  await mkdir(dirname(path), { recursive: true });
  if (file.size === 0) await writeFile(path, '');
  let fruitless = 0;
  let damaged = false;
  for (;;) {
    const have = await stat(path).then(
      (s) => s.size,
      () => 0,
    );
    if (have === file.size) {
      if (await hashMatches(path, file)) break;
      await rm(path);
      if (damaged) {
        throw new DecantError('data', 'the downloaded file has not the content that the hub states, twice', {
          at: `${nameOf(c.repo)}: ${file.path}`,
          fix: 'try again later, or look for a proxy that changes files',
        });
      }
      damaged = true;
      continue;
    }
    if (have > file.size) {
      await rm(path);
      continue;
    }
    const problem = await fetchRest(c, commit, file, path, have).catch(
      (e: unknown) => e ?? 'the connection was cut',
    );
    const now = await stat(path).then(
      (s) => s.size,
      () => 0,
    );
    if (now === file.size) continue;
    const explained = problem === undefined ? undefined : explain(c, problem, file.path);
    if (explained && !(explained instanceof Unreachable)) throw explained;
    const reason = explained?.message ?? `the connection ended after ${now} of ${file.size} bytes`;
    fruitless = now > have ? 0 : fruitless + 1;
    if (fruitless >= c.retries) {
      throw new DecantError('data', `the download does not get on (${reason})`, {
        at: `${nameOf(c.repo)}: ${file.path}`,
        seen: `${now} of ${file.size} bytes`,
        fix: 'run again: the download goes on where it stopped',
      });
    }
    c.onProgress({ kind: 'retry', path: file.path, done: now, size: file.size, reason });
    await sleep(c.retryDelayMs * 2 ** fruitless);
  }
  await rename(path, cache.blob(file));
}

/** Appends what is missing. A server that ignores the range and starts anew is noticed by its status. */
async function fetchRest(
  c: Connection,
  commit: string,
  file: HubFile,
  path: string,
  have: number,
): Promise<void> {
  let status = 0;
  const watched: typeof fetch = async (url, init) => {
    const response = await fetch(url, init);
    status = response.status;
    return response;
  };
  const repo = { type: c.repo.type, name: c.repo.name };
  const blob = await withTimeout(
    downloadFile({ ...access(c), repo, path: file.path, revision: commit, fetch: watched, xet: false }),
    c.stallMs,
  );
  if (!blob)
    throw new DecantError('data', 'the hub lists this file but does not have it', {
      at: `${nameOf(c.repo)}: ${file.path}`,
    });
  if (blob.size !== file.size) {
    throw new DecantError('data', `the hub states ${file.size} bytes for this file`, {
      at: `${nameOf(c.repo)}: ${file.path}`,
      seen: blob.size,
    });
  }
  const reader = blob.slice(have, file.size).stream().getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const handle = await open(path, have > 0 ? 'a' : 'w');
  let done = have;
  try {
    for (let first = true; ; first = false) {
      const { value, done: end } = await withTimeout(reader.read(), c.stallMs).catch((e: unknown) => {
        throw status >= 400 ? new StatusError(status) : e; // the stream's own error has lost the status
      });
      if (first && have > 0 && status === 200) {
        await handle.truncate(0);
        done = 0;
      }
      if (end) break;
      done += value.length;
      if (done > file.size) {
        throw new DecantError('data', `the server sends more than the ${file.size} bytes of this file`, {
          at: `${nameOf(c.repo)}: ${file.path}`,
        });
      }
      await handle.write(value);
      c.onProgress({ kind: 'file', path: file.path, done, size: file.size });
    }
  } finally {
    await handle.close();
    await reader.cancel().catch(() => {});
  }
}

async function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  const stop = new AbortController();
  const silent = sleep(ms, undefined, { signal: stop.signal, ref: true }).then(
    () => Promise.reject(new Error(`no answer for ${ms} ms`)),
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([promise, silent]);
  } finally {
    stop.abort();
  }
}

async function retrying<T>(c: Connection, path: string, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const problem = explain(c, error);
      // a server that answers "later" is asked again; one that cannot be reached at all is not
      const busy = error instanceof HubApiError && (error.statusCode === 429 || error.statusCode >= 500);
      if (!busy || attempt + 1 >= c.retries) throw error;
      c.onProgress({ kind: 'retry', path, done: 0, size: 0, reason: problem.message });
      await sleep(c.retryDelayMs * 2 ** attempt);
    }
  }
}

const explain = (c: Connection, error: unknown, file?: string): Error =>
  explainHubError(c.token, file === undefined ? nameOf(c.repo) : `${nameOf(c.repo)}: ${file}`, error);

async function waitForLock(path: string, what: string): Promise<FileLock> {
  for (let waited = 0; ; waited++) {
    try {
      return acquireLock(path, what);
    } catch (error) {
      if (waited >= 600) throw error;
      await sleep(1000);
    }
  }
}
