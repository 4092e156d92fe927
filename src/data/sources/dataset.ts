import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DecantError } from '../../util/errors.ts';
import { sha256 } from '../../util/node/hash.ts';
import { createRng } from '../../util/rng.ts';
import { didYouMean } from '../../util/suggest.ts';
import { type DatasetEntry, type DatasetSplit, datasets } from '../datasets.ts';
import { graphFromJson, graphSet } from '../graph.ts';
import { cranfieldGain, retrievalSet } from '../retrieval.ts';
import type { Source, SourceItem, SourceSet } from '../types.ts';
import { arrayFolder } from './arrays.ts';
import { csvSource } from './csv.ts';
import type { ImageForm } from './image-codec.ts';
import { jsonlSource } from './jsonl.ts';
import { textSource } from './text.ts';

export interface DatasetOptions {
  /** Folder that holds one folder per set; the environment variable DECANT_DATA. */
  root: string | undefined;
  image?: ImageForm;
  /** Accept files whose content differs from the published one. */
  acceptChanged?: boolean;
}

/** Entry of a known set. Errors: `data` with the nearest name. */
export function datasetEntry(name: string): DatasetEntry {
  const entry = Object.hasOwn(datasets, name) ? datasets[name] : undefined;
  if (entry) return entry;
  const known = Object.keys(datasets);
  throw new DecantError('data', 'unknown data set', {
    at: `dataset:${name}`,
    allowed: known.join(', '),
    fix: didYouMean(name, known) ?? 'name a file of your own by its path',
  });
}

/** Reads a file of a set from `<root>/<name>/`, plain or gzipped, and checks its content hash. */
export function datasetReader(name: string, options: DatasetOptions): (file: string) => Promise<Uint8Array> {
  const entry = datasetEntry(name);
  return async (file) => {
    const plain = file.replace(/\.gz$/, '');
    const path = locate(name, entry, plain, options.root);
    const packed = await readFile(path);
    let content: Uint8Array;
    try {
      content = packed[0] === 0x1f && packed[1] === 0x8b ? gunzipSync(packed) : packed;
    } catch (cause) {
      throw new DecantError('data', 'a damaged gzip file', { at: path, fix: 'fetch it again', cause });
    }
    const wanted = entry.files[plain];
    if (wanted && !options.acceptChanged) {
      const seen = sha256(content);
      if (seen !== wanted)
        throw new DecantError('data', `the content is not that of dataset:${name}`, {
          at: path,
          seen: `sha256 ${seen.slice(0, 16)}...`,
          allowed: `sha256 ${wanted.slice(0, 16)}...`,
          fix: `take it from ${entry.origin} in the layout of docs/data.md, or set data.acceptChanged: true to use it as it is`,
        });
    }
    return content;
  };
}

function locate(name: string, entry: DatasetEntry, file: string, root: string | undefined): string {
  const how = `get it from ${entry.origin}, lay it out as docs/data.md describes, and set DECANT_DATA to the folder that holds ${name}/`;
  if (!root)
    throw new DecantError('data', 'the environment variable DECANT_DATA is not set', {
      at: `dataset:${name}`,
      fix: how,
    });
  for (const candidate of [join(root, name, file), join(root, name, `${file}.gz`)])
    if (existsSync(candidate)) return candidate;
  throw new DecantError('data', `${file} was not found`, {
    at: `dataset:${name}`,
    seen: join(root, name),
    fix: how,
  });
}

/** Opens a public set by name: its splits, columns and classes. */
export async function openDataset(name: string, options: DatasetOptions): Promise<SourceSet> {
  const entry = datasetEntry(name);
  const read = datasetReader(name, options);
  const label = `dataset:${name}`;
  const path = (file: string): string => join(label, file);
  const contentHash = sha256(Object.entries(entry.files).sort().flat().join('\n'));
  const common = { label, licence: entry.licence, contentHash };
  // Missing files are told at once, not at the first row.
  for (const file of Object.keys(entry.files)) locate(name, entry, file, options.root);
  if (entry.kind === 'arrays') return { ...(await arrayFolder(label, options.image ?? {}, read)), ...common };
  if (entry.kind === 'graph') {
    const load = async () => graphFromJson(text(await read('graph.json')), path('graph.json'));
    return { ...graphSet(label, load), ...common };
  }
  const table = (file: string): Source =>
    lazily(
      path(file),
      () => read(file),
      (content) => fileSource(path(file), content, entry),
    );
  if (entry.kind === 'retrieval')
    return {
      ...retrievalSet({
        label,
        queries: table('queries.jsonl'),
        documents: table('docs.jsonl'),
        judgements: table('qrels.csv'),
        gain: cranfieldGain,
      }),
      ...common,
    };
  const splits = Object.fromEntries(
    Object.entries(entry.splits).map(([split, spec]) => [
      split,
      selected(table(spec.file), spec, `${name}/${spec.file}`),
    ]),
  );
  return { ...common, splits, columns: entry.columns, classes: await classesOf(entry, read) };
}

const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');

async function classesOf(
  entry: DatasetEntry,
  read: (file: string) => Promise<Uint8Array>,
): Promise<string[] | undefined> {
  if (!entry.classes || Array.isArray(entry.classes)) return entry.classes;
  const value = JSON.parse(text(await read(entry.classes.file))) as string[] | Record<string, string[]>;
  return Array.isArray(value) ? value : value[entry.classes.key ?? ''];
}

function fileSource(path: string, content: Uint8Array, entry: DatasetEntry): Source {
  if (path.endsWith('.csv')) return csvSource({ path, content }, { names: entry.names });
  if (path.endsWith('.txt')) return textSource({ path, content }, entry.unit);
  return jsonlSource({ path, content });
}

const lazily = (
  label: string,
  read: () => Promise<Uint8Array>,
  open: (content: Uint8Array) => Source,
): Source => ({
  label,
  async *batches() {
    yield* open(await read()).batches();
  },
});

/** The rows of a source that a split names. */
function selected(source: Source, spec: DatasetSplit, seed: string): Source {
  if (!spec.rows && !spec.shuffled && !spec.where && !spec.share) return source;
  return {
    label: source.label,
    async *batches() {
      let all: SourceItem[] = [];
      for await (const batch of source.batches()) all.push(...batch);
      const matches = (item: SourceItem): boolean =>
        'values' in item &&
        Object.entries(spec.where ?? {}).every(([column, value]) => item.values[column] === value);
      if (spec.where) all = all.filter(matches);
      if (spec.shuffled) all = createRng(seed).shuffle(all);
      const [from, to] = spec.shuffled ?? spec.share ?? [0, 1];
      yield spec.rows
        ? all.slice(...spec.rows)
        : all.slice(Math.round(from * all.length), Math.round(to * all.length));
    },
  };
}
