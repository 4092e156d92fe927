import * as zlib from 'node:zlib';
import { DecantError, isDecantError } from '../../util/errors.ts';
import type { Source } from '../types.ts';
import { mustExist } from './bytes.ts';

const BATCH = 1024;

/** A Parquet file, read a thousand rows at a time; line numbers are row numbers from 1. */
export function parquetSource(path: string): Source {
  return {
    label: path,
    async *batches() {
      await mustExist(path);
      const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
      try {
        const file = await asyncBufferFromFile(path);
        const metadata = await parquetMetadataAsync(file);
        const rows = Number(metadata.num_rows);
        for (let start = 0; start < rows; start += BATCH) {
          const part = await parquetReadObjects({
            file,
            metadata,
            compressors: compressors(),
            rowStart: start,
            rowEnd: Math.min(rows, start + BATCH),
          });
          yield part.map((values, i) => ({
            file: path,
            line: start + i + 1,
            values: values as Record<string, unknown>,
          }));
        }
      } catch (cause) {
        if (isDecantError(cause)) throw cause;
        throw new DecantError('data', `not a readable Parquet file: ${(cause as Error).message}`, {
          at: path,
          fix: 'write it with snappy, gzip, brotli or no compression, or convert it to JSONL',
          cause,
        });
      }
    },
  };
}

/** Codecs beyond snappy that Node brings itself (zstd from Node 22.15 on). */
function compressors(): Record<string, (input: Uint8Array) => Uint8Array> {
  const zstd = (zlib as { zstdDecompressSync?: (input: Uint8Array) => Uint8Array }).zstdDecompressSync;
  return {
    GZIP: (input) => zlib.gunzipSync(input),
    BROTLI: (input) => zlib.brotliDecompressSync(input),
    ...(zstd ? { ZSTD: (input: Uint8Array) => zstd(input) } : {}),
  };
}
