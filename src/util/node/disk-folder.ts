import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { DecantError } from '../errors.ts';
import { type ByteSource, type Chunks, checkPath, type Folder } from '../folder.ts';

/** A folder on disk. Nothing is created before the first write. */
export function diskFolder(path: string): Folder {
  const root = resolve(path);
  return {
    where: path,
    list: async () => (await walk(root)).map((p) => relative(root, p).split(sep).join('/')).sort(),
    open: (file) => openFile(join(root, checkPath(file, path)), join(path, file)),
    write: (file, chunks) => writeFileAtomic(join(root, checkPath(file, path)), chunks),
    remove: (file) => rm(join(root, checkPath(file, path)), { force: true }),
  };
}

/** A file as a byte source, or undefined where there is none. Each read opens the file anew: no handle leaks. */
export async function openFile(path: string, name: string = path): Promise<ByteSource | undefined> {
  const info = await stat(path).catch((e: NodeJS.ErrnoException) => {
    if (e.code === 'ENOENT' || e.code === 'ENOTDIR') return undefined;
    throw e;
  });
  if (!info?.isFile()) return undefined;
  return {
    name,
    size: info.size,
    read: async (begin, end) => {
      const handle = await open(path, 'r');
      try {
        const out = new Uint8Array(end - begin);
        let done = 0;
        while (done < out.length) {
          const { bytesRead } = await handle.read(out, done, out.length - done, begin + done);
          if (bytesRead === 0) {
            throw new DecantError('data', `the file ends before byte ${end}`, {
              at: name,
              seen: begin + done,
            });
          }
          done += bytesRead;
        }
        return out;
      } finally {
        await handle.close();
      }
    },
  };
}

/** Writes beside the target, flushes to disk, then renames: a reader or a crash never sees half a file. */
export async function writeFileAtomic(path: string, chunks: Chunks): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      for await (const chunk of chunks) await writeAll(handle, chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (e) {
    await rm(temporary, { force: true });
    throw e;
  }
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  let done = 0;
  while (done < chunk.length) done += (await handle.write(chunk, done)).bytesWritten;
}

async function walk(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((e: NodeJS.ErrnoException) => {
    if (e.code === 'ENOENT') return [];
    throw e;
  });
  const out: string[] = [];
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) out.push(...(await walk(path)));
    else if (entry.isFile() || entry.isSymbolicLink()) out.push(path);
  }
  return out;
}
