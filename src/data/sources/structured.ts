import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DecantError } from '../../util/errors.ts';
import { openBuiltin } from '../builtins.ts';
import { type GraphData, graphFromJson } from '../graph.ts';
import { graphFromTables } from '../graph-tables.ts';
import { cranfieldGain, type Retrieval, readRetrieval } from '../retrieval.ts';
import { csvSource } from './csv.ts';
import { datasetEntry, datasetReader } from './dataset.ts';
import { jsonlSource } from './jsonl.ts';
import { type OpenOptions, parseReference } from './open.ts';

type Options = Pick<OpenOptions, 'baseDir' | 'dataRoot' | 'acceptChanged' | 'options'>;
/** Content of a file of the set, or undefined when it has none of that name. */
type Read = (file: string) => Promise<Uint8Array | undefined>;

/** Files of a public set or of a folder, unpacked. */
function filesOf(reference: string, options: Options): { label: string; read: Read; published: boolean } {
  const { kind, name } = parseReference(reference);
  if (kind === 'dataset') {
    const entry = datasetEntry(name);
    const read = datasetReader(name, { root: options.dataRoot, acceptChanged: options.acceptChanged });
    return {
      label: reference,
      published: true,
      read: async (file) => (file in entry.files ? read(file) : undefined),
    };
  }
  if (kind !== 'path')
    throw new DecantError('data', 'a graph or test collection is a folder or a public set', {
      at: reference,
      allowed: 'a path, or dataset:NAME',
    });
  const folder = isAbsolute(name) ? name : resolve(options.baseDir, name);
  const read: Read = async (file) => {
    const path = [join(folder, file), join(folder, `${file}.gz`)].find((p) => existsSync(p));
    if (!path) return undefined;
    const bytes = await readFile(path);
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  };
  return { label: folder, read, published: false };
}

async function required(read: Read, file: string, label: string): Promise<Uint8Array> {
  const content = await read(file);
  if (content) return content;
  throw new DecantError('data', `${file} is missing`, {
    at: label,
    fix: 'docs/data.md describes the layout',
  });
}

/** A graph: `graph.json`, or `nodes.csv` and `edges.csv`, of a folder or public set; or a generated one. Errors: `data`. */
export async function openGraph(reference: string, options: Options): Promise<GraphData> {
  const { kind, name } = parseReference(reference);
  if (kind === 'builtin') {
    const { nodes, edges } = (await openBuiltin(name, options.options)).splits;
    if (nodes && edges) return graphFromTables(nodes, edges);
    throw new DecantError('data', 'this generated set is not a graph', { at: reference });
  }
  const { label, read } = filesOf(reference, options);
  const json = await read('graph.json');
  if (json) return graphFromJson(Buffer.from(json).toString('utf8'), join(label, 'graph.json'));
  const table = async (file: string) =>
    csvSource({ path: join(label, file), content: await required(read, file, label) });
  return graphFromTables(await table('nodes.csv'), await table('edges.csv'));
}

/** A test collection (`queries.jsonl`, `docs.jsonl`, `qrels.csv`) of a folder or public set, whole. Errors: `data`. */
export async function openRetrieval(reference: string, options: Options): Promise<Retrieval> {
  const { label, read, published } = filesOf(reference, options);
  const input = async (file: string) => ({
    path: join(label, file),
    content: await required(read, file, label),
  });
  return readRetrieval({
    label,
    queries: jsonlSource(await input('queries.jsonl')),
    documents: jsonlSource(await input('docs.jsonl')),
    judgements: csvSource(await input('qrels.csv')),
    gain: published ? cranfieldGain : undefined,
  });
}
