import { crc32 as nativeCrc32 } from 'node:zlib';

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/**
 * CRC-32 (ISO 3309, as in zlib) of bytes [from, to), continuing from `start`. Short ranges are summed here: a call of
 * the native function costs more than a hundred bytes do.
 */
export function crc32(bytes: Buffer, from: number, to: number, start = 0): number {
  if (to - from > 128) return nativeCrc32(bytes.subarray(from, to), start);
  let crc = ~start;
  for (let i = from; i < to; i++) crc = TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
