import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { DecantError } from '../../util/errors.ts';
import type { Source, SourceItem, SourceSet } from '../types.ts';
import { type ImageForm, type Pixels, resize, withChannels } from './image-codec.ts';

/** `header.json` of a folder of raw arrays: unsigned bytes, row-major, optionally gzipped. */
const headerSchema = z.object({
  files: z.record(
    z.string(),
    z.object({
      dtype: z.literal('uint8'),
      shape: z.array(z.number().int().nonnegative()).min(1).max(4),
      compression: z.literal('gzip').optional(),
    }),
  ),
  classes: z.array(z.string()).optional(),
});

const BATCH = 256;

/** Reads a file's bytes; replaced for data sets whose content is checked while it is read. */
export type ReadBytes = (file: string) => Promise<Uint8Array>;

/** A folder of raw image arrays: `<split>.images.*` [n, h, w] or [n, h, w, c] beside `<split>.labels.*` [n], described by `header.json`. */
export async function arrayFolder(path: string, form: ImageForm, read?: ReadBytes): Promise<SourceSet> {
  const load =
    read ??
    ((file) => readFile(join(path, file)).then((b) => (b[0] === 0x1f && b[1] === 0x8b ? gunzipSync(b) : b)));
  const at = join(path, 'header.json');
  const parsed = headerSchema.safeParse(
    parseJson(Buffer.from(await load('header.json')).toString('utf8'), at),
  );
  if (!parsed.success)
    throw new DecantError('data', `not a header of raw arrays: ${z.prettifyError(parsed.error)}`, {
      at,
      allowed: '{classes: [...], files: {"train.images.u8.gz": {dtype: "uint8", shape: [n, h, w]}, ...}}',
    });
  const { files, classes } = parsed.data;
  const splits: Record<string, Source> = {};
  for (const [file, { shape }] of Object.entries(files)) {
    const match = /^(.+)\.images\./.exec(file);
    if (!match) continue;
    const labelFile = Object.keys(files).find((f) => f.startsWith(`${match[1]}.labels.`));
    if (shape.length < 3)
      throw new DecantError('data', 'images need the shape [n, h, w] or [n, h, w, c]', { at, seen: shape });
    splits[match[1]] = arraySource(path, file, labelFile, shape, files[labelFile ?? '']?.shape, form, load);
  }
  if (Object.keys(splits).length === 0)
    throw new DecantError('data', 'no images', {
      at,
      seen: Object.keys(files),
      allowed: 'files named <split>.images.*',
    });
  return { label: path, splits, classes };
}

function parseJson(text: string, at: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DecantError('data', `not valid JSON: ${(cause as Error).message}`, { at, cause });
  }
}

function arraySource(
  path: string,
  file: string,
  labelFile: string | undefined,
  shape: number[],
  labelShape: number[] | undefined,
  form: ImageForm,
  load: ReadBytes,
): Source {
  const [count, height, width, channels = 1] = shape;
  const at = join(path, file);
  return {
    label: at,
    async *batches() {
      const bytes = await load(file);
      const step = height * width * channels;
      expectBytes(bytes, count * step, at);
      const labels = labelFile ? await load(labelFile) : undefined;
      if (labels) expectBytes(labels, count, join(path, labelFile!));
      if (labelShape && labelShape[0] !== count)
        throw new DecantError('data', 'as many labels as images are expected', {
          at,
          seen: `${labelShape[0]} labels, ${count} images`,
        });
      for (let start = 0; start < count; start += BATCH) {
        const batch: SourceItem[] = [];
        for (let i = start; i < Math.min(count, start + BATCH); i++) {
          let pixels: Pixels = {
            image: bytes.subarray(i * step, (i + 1) * step),
            shape: [height, width, channels],
          };
          if (form.channels) pixels = withChannels(pixels, form.channels);
          if (form.size) pixels = resize(pixels, form.size);
          const values: Record<string, unknown> = { ...pixels };
          if (labels) values.label = labels[i];
          batch.push({ file: at, line: i + 1, values });
        }
        yield batch;
      }
    },
  };
}

function expectBytes(bytes: Uint8Array, wanted: number, at: string): void {
  if (bytes.length !== wanted)
    throw new DecantError('data', `holds ${bytes.length} bytes where header.json promises ${wanted}`, {
      at,
      fix: 'fetch the file again, or correct its shape in header.json',
    });
}
