import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { checkPath } from '../folder.ts';
import { writeFileAtomic } from './disk-folder.ts';
import type { HubSpec } from './hub-spec.ts';

/** A file of a repository at a commit. */
export interface HubFile {
  path: string;
  size: number;
  /** SHA-256 of the content for large files, else the git blob id: either is checked after the download. */
  hash: string;
  large: boolean;
}

/**
 * The layout that other Hugging Face tools share: `blobs/<hash>`, `snapshots/<commit>/<path>` as links to blobs,
 * `refs/<revision>`. What is known about commits and revisions besides lies in `decant/`.
 */
export interface HubCache {
  readonly root: string;
  snapshot(commit: string): string;
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /** The files of a commit, which never change. */
  readList(commit: string): Promise<HubFile[] | undefined>;
  writeList(commit: string, files: readonly HubFile[]): Promise<void>;
  blob(file: HubFile): string;
  hasBlob(file: HubFile): Promise<boolean>;
  hasFile(commit: string, path: string): Promise<boolean>;
  /** Makes `snapshots/<commit>/<path>` point to the blob. */
  link(commit: string, file: HubFile): Promise<void>;
  readJson<T>(name: string): Promise<T | undefined>;
  writeJson(name: string, value: unknown): Promise<void>;
}

export function hubCache(cacheDir: string, spec: HubSpec): HubCache {
  const root = join(cacheDir, `${spec.type}s--${spec.name.replaceAll('/', '--')}`);
  const text = (path: string): Promise<string | undefined> =>
    readFile(path, 'utf8').catch((e: NodeJS.ErrnoException) => {
      if (e.code === 'ENOENT' || e.code === 'ENOTDIR') return undefined;
      throw e;
    });
  const write = (path: string, content: string): Promise<void> =>
    writeFileAtomic(path, [new TextEncoder().encode(content)]);
  const sizeOf = (path: string): Promise<number> =>
    stat(path).then(
      (s) => s.size,
      () => -1,
    );
  const own = (name: string): string => join(root, 'decant', `${name.replaceAll('/', '--')}.json`);
  const readJson = async <T>(name: string): Promise<T | undefined> => {
    const content = await text(own(name));
    try {
      return content === undefined ? undefined : (JSON.parse(content) as T);
    } catch {
      return undefined; // a damaged note is fetched again
    }
  };
  const writeJson = (name: string, value: unknown): Promise<void> => write(own(name), JSON.stringify(value));
  const snapshot = (commit: string): string => join(root, 'snapshots', commit);
  const blob = (file: HubFile): string => join(root, 'blobs', file.hash);
  return {
    root,
    snapshot,
    blob,
    readJson,
    writeJson,
    readRef: async (revision) => (await text(join(root, 'refs', checkPath(revision, root))))?.trim(),
    writeRef: (revision, commit) => write(join(root, 'refs', checkPath(revision, root)), commit),
    readList: (commit) => readJson(`files-${commit}`),
    writeList: (commit, files) => writeJson(`files-${commit}`, files),
    hasBlob: async (file) => (await sizeOf(blob(file))) === file.size,
    hasFile: async (commit, path) => (await sizeOf(join(snapshot(commit), checkPath(path, root)))) >= 0,
    link: async (commit, file) => {
      const path = join(snapshot(commit), checkPath(file.path, root));
      if ((await sizeOf(path)) === file.size) return;
      await mkdir(dirname(path), { recursive: true });
      await rm(path, { force: true });
      const target = relative(dirname(path), blob(file));
      // where links are not allowed (some Windows accounts) the file is copied
      await symlink(target, path).catch(() => copyFile(blob(file), path));
    },
  };
}

/** True where the content has the hash that the hub states for it. */
export async function hashMatches(path: string, file: HubFile): Promise<boolean> {
  const hash = createHash(file.large ? 'sha256' : 'sha1');
  if (!file.large) hash.update(`blob ${file.size}\0`);
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest('hex') === file.hash;
}
