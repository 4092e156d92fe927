import { DecantError } from './errors.ts';

/** Bytes that can be read by range: a file, a blob, an array. */
export interface ByteSource {
  /** For messages: a path or a URL. */
  readonly name: string;
  readonly size: number;
  /** Bytes `[begin, end)` as a fresh array. */
  read(begin: number, end: number): Promise<Uint8Array>;
}

export type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A folder of files, on disk or in memory; paths are relative with `/`. */
export interface Folder {
  /** For messages. */
  readonly where: string;
  /** All files below the folder, sorted. */
  list(): Promise<string[]>;
  /** The file, or undefined where there is none. */
  open(path: string): Promise<ByteSource | undefined>;
  /** Writes a whole file; it appears complete or not at all. */
  write(path: string, chunks: Chunks): Promise<void>;
  /** Removes a file; nothing happens where there is none. */
  remove(path: string): Promise<void>;
}

export function memorySource(bytes: Uint8Array, name = 'memory'): ByteSource {
  return { name, size: bytes.length, read: async (begin, end) => bytes.slice(begin, end) };
}

/** A folder held in a map; used in the browser and in tests. */
export function memoryFolder(
  files: Map<string, Uint8Array> = new Map(),
  where = 'memory',
): Folder & { files: Map<string, Uint8Array> } {
  return {
    where,
    files,
    list: async () => [...files.keys()].sort(),
    open: async (path) => {
      const bytes = files.get(checkPath(path, where));
      return bytes && memorySource(bytes, `${where}/${path}`);
    },
    write: async (path, chunks) => {
      checkPath(path, where);
      files.set(path, await concatChunks(chunks));
    },
    remove: async (path) => {
      files.delete(checkPath(path, where));
    },
  };
}

/** The whole file as bytes; undefined where there is none. */
export async function readBytes(folder: Folder, path: string): Promise<Uint8Array | undefined> {
  const source = await folder.open(path);
  return source?.read(0, source.size);
}

/** The whole file as text (UTF-8, a byte-order mark is kept); undefined where there is none. */
export async function readText(folder: Folder, path: string): Promise<string | undefined> {
  const bytes = await readBytes(folder, path);
  if (!bytes) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DecantError('data', 'not valid UTF-8', { at: `${folder.where}/${path}`, cause });
  }
}

export const writeText = (folder: Folder, path: string, text: string): Promise<void> =>
  folder.write(path, [new TextEncoder().encode(text)]);

/** Refuses absolute paths, `..` and backslashes, so that a file's content cannot point outside its folder. */
export function checkPath(path: string, where: string): string {
  const bad =
    path === '' ||
    /^[/\\]|\\|^[A-Za-z]:|\0/.test(path) ||
    path.split('/').some((p) => p === '..' || p === '');
  if (!bad) return path;
  throw new DecantError('data', 'a path leads outside its folder', {
    at: where,
    seen: path,
    allowed: 'relative paths with / and without ..',
  });
}

export async function concatChunks(chunks: Chunks): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.length;
  }
  const out = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** The source in pieces of at most `step` bytes, so that copying a large file needs little memory. */
export async function* streamSource(source: ByteSource, step = 8 << 20): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += step) yield source.read(at, Math.min(source.size, at + step));
}
