import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildSafetensors, parseSafetensors } from '../export/safetensors.ts';
import type { CheckpointMeta, CheckpointStore } from '../train/loop.ts';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';

/** Checkpoints as safetensors files in a folder: arrays and the loop's position in one file, replaced atomically. */
export function fileCheckpoints(folder: string): CheckpointStore {
  const path = (name: string): string => join(folder, `${name}.safetensors`);
  return {
    async save(name, arrays, meta) {
      const bytes = await buildSafetensors(new Map(Object.entries(arrays)), {
        metadata: { decant: JSON.stringify(meta) },
      });
      writeFileAtomic(path(name), bytes);
    },
    async load(name) {
      if (!existsSync(path(name))) return undefined;
      const { tensors, metadata } = await parseSafetensors(await readFile(path(name)), path(name));
      if (!metadata?.decant) {
        throw new DecantError('model', 'this is no checkpoint of Decant', {
          at: path(name),
          fix: 'remove the file to train again',
        });
      }
      return { arrays: Object.fromEntries(tensors), meta: JSON.parse(metadata.decant) as CheckpointMeta };
    },
  };
}
