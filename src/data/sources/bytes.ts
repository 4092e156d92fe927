import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DecantError, isDecantError } from '../../util/errors.ts';
import { didYouMean } from '../../util/suggest.ts';

/** A file on disk, or one already in memory under that name. */
export interface FileInput {
  path: string;
  /** Content, uncompressed; the path is then only a name. */
  content?: Uint8Array;
  /** Text encoding by its WHATWG label; UTF-8 (with or without a byte-order mark) when absent. */
  encoding?: string;
}

/** Throws a `data` error that suggests a file of the same folder when `path` is not a readable file. */
export async function mustExist(path: string): Promise<void> {
  try {
    const info = await stat(path);
    if (info.isDirectory())
      throw new DecantError('data', 'is a folder, not a file', { at: path, fix: 'name a file inside it' });
  } catch (cause) {
    if (isDecantError(cause)) throw cause;
    const siblings = await readdir(dirname(path)).catch(() => undefined);
    throw new DecantError('data', siblings ? 'no such file' : 'no such folder', {
      at: path,
      fix:
        (siblings && didYouMean(basename(path), siblings)) ??
        'paths in a recipe are relative to the recipe file',
      cause,
    });
  }
}

/** The file's text as UTF-8 chunks: unpacked when gzipped, byte-order mark removed, other encodings converted. */
export async function* textChunks(input: FileInput): AsyncGenerator<Buffer> {
  if (!input.content) await mustExist(input.path);
  const whole = input.content;
  const raw = whole
    ? Readable.from([Buffer.from(whole.buffer, whole.byteOffset, whole.length)])
    : createReadStream(input.path, { highWaterMark: 1 << 18 });
  try {
    yield* decoded(unzipped(raw), input);
  } catch (cause) {
    if (isDecantError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DecantError('data', `cannot be read: ${reason}`, {
      at: input.path,
      fix: /Z_|unexpected end|incorrect/.test(reason)
        ? 'the gzip file is damaged or cut short; fetch it again'
        : 'check the file and its permissions',
      cause,
    });
  } finally {
    raw.destroy();
  }
}

async function* unzipped(raw: Readable): AsyncGenerator<Buffer> {
  const chunks = raw[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  if (first.done) return;
  const rest = (async function* () {
    yield first.value;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  })();
  if (first.value[0] === 0x1f && first.value[1] === 0x8b) {
    const gunzip = createGunzip();
    const source = Readable.from(rest);
    source.on('error', (e) => gunzip.destroy(e));
    yield* source.pipe(gunzip) as AsyncIterable<Buffer>;
  } else yield* rest;
}

async function* decoded(chunks: AsyncIterable<Buffer>, input: FileInput): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | undefined;
  let first = true;
  for await (let chunk of chunks) {
    if (first) {
      first = false;
      const label = encodingOf(chunk, input);
      if (label !== 'utf-8') decoder = new TextDecoder(label);
      else if (chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) chunk = chunk.subarray(3);
      if (label === 'utf-8' && chunk.subarray(0, 8192).includes(0))
        throw new DecantError('data', 'holds zero bytes, so it is not text', {
          at: input.path,
          fix: 'name the format (data.format) or the encoding (data.encoding: utf-16le, ...)',
        });
    }
    yield decoder ? Buffer.from(decoder.decode(chunk, { stream: true })) : chunk;
  }
  if (decoder) yield Buffer.from(decoder.decode());
}

function encodingOf(start: Buffer, input: FileInput): string {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be';
  if (!input.encoding) return 'utf-8';
  try {
    return new TextDecoder(input.encoding).encoding;
  } catch {
    throw new DecantError('data', 'unknown text encoding', {
      at: input.path,
      seen: input.encoding,
      allowed: 'a label such as utf-8, utf-16le, windows-1252, iso-8859-2, shift_jis, gb18030',
    });
  }
}

const LONGEST_LINE = 64 << 20;

/** Lines without their ends, in batches, each with the number of its first line (1-based). */
export async function* lineBatches(input: FileInput): AsyncGenerator<{ first: number; lines: string[] }> {
  let carry: Buffer[] = [];
  let carried = 0;
  let line = 1;
  for await (const chunk of textChunks(input)) {
    const end = chunk.lastIndexOf(10);
    if (end < 0) {
      carry.push(chunk);
      carried += chunk.length;
      if (carried > LONGEST_LINE)
        throw new DecantError('data', 'a line of more than 64 MiB', {
          at: `${input.path}:${line}`,
          fix: 'one record per line is expected; is this the right format?',
        });
      continue;
    }
    const block = Buffer.concat([...carry, chunk.subarray(0, end)]);
    carry = [Buffer.from(chunk.subarray(end + 1))];
    carried = carry[0].length;
    const lines = splitLines(block);
    yield { first: line, lines };
    line += lines.length;
  }
  if (carried > 0) yield { first: line, lines: splitLines(Buffer.concat(carry)) };
}

const splitLines = (block: Buffer): string[] =>
  block
    .toString('utf8')
    .split('\n')
    .map((line) => (line.charCodeAt(line.length - 1) === 13 ? line.slice(0, -1) : line));
