import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDecantError } from '../../util/errors.ts';
import type { Source, SourceItem, SourceSet } from '../types.ts';
import { decodeImage, type ImageForm, type Pixels, resize, withChannels } from './image-codec.ts';
import { splitName } from './names.ts';

const isImage = (name: string): boolean => /\.(png|jpe?g)$/i.test(name);
const BATCH = 64;

/**
 * A folder of images, one subfolder per class (`cats/1.png`), or one per split and below it one per class
 * (`train/cats/1.png`). Columns: `image`, `shape`, `label`, `file`. Undecodable and odd-sized images become problems.
 */
export async function imageFolder(path: string, form: ImageForm): Promise<SourceSet | undefined> {
  const entries = (await readdir(path, { withFileTypes: true })).filter(
    (e) => e.isDirectory() && !e.name.startsWith('.'),
  );
  if (entries.length === 0) return undefined;
  const names = entries.map((e) => e.name).sort();
  if (names.every((name) => splitName(name) !== undefined)) {
    const splits: Record<string, Source> = {};
    const classes = new Set<string>();
    for (const name of names) {
      const files = await classFiles(join(path, name));
      if (files.length === 0) continue;
      for (const { label } of files) classes.add(label);
      splits[splitName(name)!] = imageSource(join(path, name), files, form);
    }
    if (Object.keys(splits).length === 0) return undefined;
    return { label: path, splits, classes: [...classes].sort() };
  }
  const files = await classFiles(path);
  if (files.length === 0) return undefined;
  return {
    label: path,
    splits: { all: imageSource(path, files, form) },
    classes: [...new Set(files.map((f) => f.label))].sort(),
  };
}

async function classFiles(path: string): Promise<{ file: string; label: string }[]> {
  const out: { file: string; label: string }[] = [];
  for (const entry of (await readdir(path, { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    for (const name of (await readdir(join(path, entry.name))).sort())
      if (isImage(name)) out.push({ file: join(path, entry.name, name), label: entry.name });
  }
  return out;
}

function imageSource(label: string, files: { file: string; label: string }[], form: ImageForm): Source {
  return {
    label,
    async *batches() {
      let wanted: Pixels['shape'] | undefined;
      for (let start = 0; start < files.length; start += BATCH) {
        const part = files.slice(start, start + BATCH);
        const decoded = await Promise.all(part.map(({ file }) => load(file, form)));
        yield decoded.map((pixels, i): SourceItem => {
          const { file, label } = part[i];
          if (pixels instanceof Error)
            return { problem: { kind: 'image', file, line: 0, message: pixels.message } };
          // The first readable image sets the size, in the order of the files.
          wanted ??= pixels.shape;
          if (pixels.shape.join() === wanted.join())
            return { file, line: 0, values: { file, label, ...pixels } };
          const message = `is ${pixels.shape.join('x')}, the first image is ${wanted.join('x')}; fix: set data.image.size and data.image.channels`;
          return { problem: { kind: 'image', file, line: 0, message } };
        });
      }
    },
  };
}

/** A file's pixels in the form asked for, or the reason why there are none. */
async function load(file: string, form: ImageForm): Promise<Pixels | Error> {
  try {
    let pixels = await decodeImage(await readFile(file), file);
    if (form.channels) pixels = withChannels(pixels, form.channels);
    return form.size ? resize(pixels, form.size) : pixels;
  } catch (e) {
    if (isDecantError(e) || (e as NodeJS.ErrnoException).code !== undefined) return e as Error;
    throw e;
  }
}
