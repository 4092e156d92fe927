import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { DecantError } from '../../util/errors.ts';
import { didYouMean } from '../../util/suggest.ts';
import { openBuiltin } from '../builtins.ts';
import type { Source, SourceSet } from '../types.ts';
import type { FileInput } from './bytes.ts';
import type { ImageForm } from './image-codec.ts';
import { splitName } from './names.ts';
import type { TextUnit } from './text.ts';

export const formats = ['csv', 'tsv', 'jsonl', 'json', 'parquet', 'text', 'images', 'arrays'] as const;
export type Format = (typeof formats)[number];

/** Downloads a data set of the Hugging Face hub and returns the folder that holds it. */
export type HubData = (id: string, options: { revision?: string }) => Promise<string>;

export interface OpenOptions {
  /** Relative paths start here: the folder of the recipe, or the current one. */
  baseDir: string;
  /** Folder of the public sets (DECANT_DATA). */
  dataRoot?: string;
  format?: Format;
  encoding?: string;
  delimiter?: string;
  /** Column names of a CSV file without a header line. */
  names?: string[];
  textUnit?: TextUnit;
  image?: ImageForm;
  /** Options of a generated set. */
  options?: Record<string, unknown>;
  acceptChanged?: boolean;
  /** Where hub data sets come from; the hub itself, through the local cache, when absent. */
  hub?: HubData;
}

export interface DataReference {
  kind: 'path' | 'dataset' | 'builtin' | 'hub';
  name: string;
  split?: string;
  revision?: string;
}

/** `dataset:sst2#test`, `builtin:support-requests`, `hub:owner/name@revision#train`, `./rows.csv`, `folder#validation`. */
export function parseReference(text: string): DataReference {
  const [, scheme, rest] = /^([a-z]+):(?!\\)(.*)$/s.exec(text) ?? [undefined, undefined, text];
  const [, name, split] = /^(.*?)(?:#([A-Za-z0-9_-]+))?$/s.exec(rest) ?? [undefined, rest, undefined];
  if (!name)
    throw new DecantError('data', 'an empty data reference', {
      seen: text,
      allowed: 'a path, dataset:NAME, builtin:NAME or hub:OWNER/NAME',
    });
  if (!scheme) return { kind: 'path', name, split };
  if (scheme === 'dataset' || scheme === 'builtin') return { kind: scheme, name, split };
  if (scheme === 'hub') {
    const [, id, revision] = /^([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/.exec(name) ?? [];
    if (!id)
      throw new DecantError('data', 'a hub data set needs owner and name', {
        seen: text,
        allowed: 'hub:owner/name or hub:owner/name@revision',
      });
    return { kind: 'hub', name: id, split, revision };
  }
  throw new DecantError('data', 'unknown kind of data reference', {
    seen: text,
    allowed: 'a path, dataset:NAME, builtin:NAME or hub:OWNER/NAME',
    fix: didYouMean(scheme, ['dataset', 'builtin', 'hub']),
  });
}

/** Opens what a reference stands for; a `#split` in the reference is not applied here. */
export async function openReference(text: string, options: OpenOptions): Promise<SourceSet> {
  const reference = parseReference(text);
  if (reference.kind === 'builtin') {
    const set = await openBuiltin(reference.name, options.options);
    const { nodes, edges } = set.splits;
    return nodes && edges ? graphOf(set.label, nodes, edges, set.classes) : set;
  }
  if (reference.kind === 'dataset') {
    const { openDataset } = await import('./dataset.ts');
    return openDataset(reference.name, {
      root: options.dataRoot,
      image: options.image,
      acceptChanged: options.acceptChanged,
    });
  }
  if (reference.kind === 'hub') {
    const hub = options.hub ?? (await import('./hub-data.ts')).hubData();
    return openPath(await hub(reference.name, { revision: reference.revision }), options);
  }
  return openPath(
    isAbsolute(reference.name) ? reference.name : resolve(options.baseDir, reference.name),
    options,
  );
}

/** Opens a file or folder on disk. */
export async function openPath(path: string, options: OpenOptions): Promise<SourceSet> {
  const info = await stat(path).catch(() => undefined);
  if (!info) {
    const siblings = await readdir(dirname(path)).catch(() => undefined);
    throw new DecantError('data', siblings ? 'no such file or folder' : 'no such folder', {
      at: path,
      fix:
        (siblings && didYouMean(basename(path), siblings)) ??
        'paths in a recipe are relative to the recipe file',
    });
  }
  if (!info.isDirectory()) return { label: path, splits: { all: await fileSource(path, options) } };
  return openFolder(path, options);
}

async function openFolder(path: string, options: OpenOptions): Promise<SourceSet> {
  const names = (await readdir(path)).filter((n) => !n.startsWith('.')).sort();
  const has = (name: string): string | undefined => names.find((n) => n === name || n === `${name}.gz`);
  if (names.includes('header.json') && options.format !== 'images') {
    const { arrayFolder } = await import('./arrays.ts');
    return arrayFolder(path, options.image ?? {});
  }
  const file = (name: string): Promise<Source> => fileSource(join(path, name), options);
  if (has('queries.jsonl') && has('docs.jsonl') && has('qrels.csv')) {
    const { retrievalSet } = await import('../retrieval.ts');
    const [queries, documents, judgements] = await Promise.all(
      ['queries.jsonl', 'docs.jsonl', 'qrels.csv'].map((n) => file(has(n)!)),
    );
    return retrievalSet({ label: path, queries, documents, judgements });
  }
  if (has('nodes.csv') && has('edges.csv')) {
    const [nodes, edges] = await Promise.all([file(has('nodes.csv')!), file(has('edges.csv')!)]);
    return graphOf(path, nodes, edges);
  }
  const splits: Record<string, Source> = {};
  // Hub data sets keep their tables in data/ or in a folder named like their only configuration.
  const folders = names.filter((n) => !splitName(n) && !n.includes('.'));
  const inner = folders.includes('data') ? ['data'] : folders.length === 1 ? folders : [];
  for (const folder of [path, ...inner.map((n) => join(path, n))]) {
    for (const name of await readdir(folder).catch(() => [])) {
      const split = splitName(name);
      if (!split || !formatOf(name)) continue;
      const source = await fileSource(join(folder, name), options);
      splits[split] = splits[split] ? concatenated([splits[split], source]) : source;
    }
  }
  if (Object.keys(splits).length > 0) return { label: path, splits };
  const { imageFolder } = await import('./images.ts');
  const images = await imageFolder(path, options.image ?? {});
  if (images) return images;
  throw new DecantError('data', 'nothing in this folder looks like data', {
    at: path,
    seen: names.slice(0, 10),
    allowed:
      'files such as train.csv and test.jsonl, one subfolder of images per class, or raw arrays with header.json',
  });
}

/** A graph of two tables, as rows of its nodes. */
async function graphOf(label: string, nodes: Source, edges: Source, classes?: string[]): Promise<SourceSet> {
  const { graphSet } = await import('../graph.ts');
  const { graphFromTables } = await import('../graph-tables.ts');
  return graphSet(label, () => graphFromTables(nodes, edges), classes);
}

const extensions: Record<string, Format> = {
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  parquet: 'parquet',
  txt: 'text',
  text: 'text',
};

/** Format by a file's extension, or undefined. */
export const formatOf = (name: string): Format | undefined =>
  extensions[name.toLowerCase().replace(/\.gz$/, '').split('.').pop() ?? ''];

/** One file as a source; its format comes from the options or from the file's extension. */
export async function fileSource(path: string, options: Omit<OpenOptions, 'baseDir'>): Promise<Source> {
  const format = options.format ?? formatOf(basename(path));
  const input: FileInput = { path, encoding: options.encoding };
  switch (format) {
    case 'csv':
    case 'tsv': {
      const { csvSource } = await import('./csv.ts');
      return csvSource(input, {
        delimiter: options.delimiter ?? (format === 'tsv' ? '\t' : undefined),
        names: options.names,
      });
    }
    case 'jsonl':
      return (await import('./jsonl.ts')).jsonlSource(input);
    case 'json':
      return (await import('./jsonl.ts')).jsonArraySource(input);
    case 'parquet':
      return (await import('./parquet.ts')).parquetSource(path);
    case 'text':
      return (await import('./text.ts')).textSource(input, options.textUnit);
    default:
      throw new DecantError('data', 'the format of this file is not known', {
        at: path,
        allowed: 'the extensions .csv .tsv .jsonl .ndjson .json .parquet .txt, each also with .gz',
        fix: 'rename the file or set data.format',
      });
  }
}

/** Sources one after the other. */
export const concatenated = (sources: Source[]): Source => ({
  label: sources.map((s) => s.label).join(' + '),
  async *batches() {
    for (const source of sources) yield* source.batches();
  },
});
