import { join } from 'node:path';
import { padIdOf } from '../data/batching.ts';
import type { Example } from '../data/types.ts';
import { readModelFolder } from '../export/folder.ts';
import { findOnnx } from '../export/onnx-files.ts';
import { encodeTexts } from '../train/encoded.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { feedsOf, openOnnx } from './open-onnx.ts';
import { folderTokenizer } from './text.ts';

/** A sentence encoder's folder, opened. */
export interface Embedder {
  /** One vector per text, and how many tokens were read. */
  embed(texts: readonly string[]): Promise<{ vectors: Float32Array[]; tokens: number }>;
  countTokens(text: string): number;
  close(): Promise<void>;
}

/** Opens a folder whose ONNX file gives `sentence_embedding` `[batch, width]`. */
export async function openEmbedder(
  path: string,
  options: { dtype?: 'fp32' | 'q8'; batchSize?: number } = {},
): Promise<Embedder> {
  const folder = await readModelFolder(diskFolder(path), ['config']);
  const file = findOnnx(folder.files, options.dtype ?? 'fp32', path);
  const tokenizer = folderTokenizer(folder, path);
  padIdOf(tokenizer);
  const opened = await openOnnx(join(path, file), ['sentence_embedding']);
  const { session } = opened;
  const limit = Number(folder.tokenizerConfig?.model_max_length ?? Number.POSITIVE_INFINITY);
  const maxLength = Math.min(limit, Number(folder.config!.max_position_embeddings ?? 512));
  return {
    async embed(texts) {
      const rows = encodeTexts(
        texts.map((text, i): Example => ({ file: 'input', line: i + 1, text })),
        { tokenizer, maxLength },
      );
      const vectors: Float32Array[] = [];
      const size = options.batchSize ?? 32;
      for (let from = 0; from < rows.size; from += size) {
        const chosen = Array.from({ length: Math.min(size, rows.size - from) }, (_, i) => from + i);
        const out = (await session.run(feedsOf(opened, rows.inputs(chosen)))).sentence_embedding;
        const [, width] = out.dims;
        chosen.forEach((_, r) => {
          vectors.push((out.data as Float32Array).slice(r * width, (r + 1) * width));
        });
      }
      return { vectors, tokens: rows.lengths!.reduce((a, b) => a + b, 0) };
    },
    countTokens: (text) => tokenizer.encode(text, { maxLength }).length,
    close: () => session.release(),
  };
}
