import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DecantError, isDecantError } from '../../util/errors.ts';
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
      const read = createImageReader(form);
      for (let start = 0; start < files.length; start += BATCH)
        yield Promise.all(
          files.slice(start, start + BATCH).map(({ file, label }) => read(file, { label, file })),
        );
    },
  };
}

/** A reader that decodes files one after the other and holds them all to one size. */
export function createImageReader(form: ImageForm) {
  let first: Promise<Pixels['shape']> | undefined;
  return async (file: string, values: Record<string, unknown>, line = 0): Promise<SourceItem> => {
    try {
      const loaded = readFile(file)
        .then((bytes) => decodeImage(bytes, file))
        .then((p) => (form.channels ? withChannels(p, form.channels) : p))
        .then((p) => (form.size ? resize(p, form.size) : p));
      // The first image asked for sets the shape, in the order of the files and not of their decoding.
      first ??= loaded.then((p) => p.shape);
      const { image, shape } = await loaded;
      const wanted = await first;
      if (shape.join() !== wanted.join())
        throw new DecantError('data', `is ${shape.join('x')}, the first image is ${wanted.join('x')}`, {
          fix: 'set data.image.size and data.image.channels',
        });
      return { file, line, values: { ...values, image, shape } };
    } catch (e) {
      if (!isDecantError(e) && (e as NodeJS.ErrnoException).code === undefined) throw e;
      return { problem: { kind: 'image', file, line, message: (e as Error).message } };
    }
  };
}
