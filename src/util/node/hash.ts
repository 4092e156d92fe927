import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { canonicalJson } from '../canonical-json.ts';

/** SHA-256 of bytes or of a string's UTF-8, as 64 hexadecimal digits. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** SHA-256 of a JSON value in its canonical spelling: equal values give equal hashes whatever their key order. */
export const contentHash = (value: unknown): string => sha256(canonicalJson(value));

/** SHA-256 of a file's bytes, read in pieces. */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest('hex');
}
