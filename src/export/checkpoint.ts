import type { NDArray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';
import { checkPath, type Folder, readText, writeText } from '../util/folder.ts';
import { type JsonObject, parseJsonObject, patchJsonText } from '../util/json-text.ts';
import {
  openSafetensors,
  type ReadOptions,
  type SafetensorsFile,
  safetensorsChunks,
  type TensorToWrite,
} from './safetensors.ts';
import { byStorageOrder, naturalStorage, STORED_BITS, type StoredDType } from './safetensors-dtype.ts';
import type { Shapes } from './shapes.ts';

export const WEIGHTS_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** The weights of a model folder, in one file or in shards, read on demand. */
export interface Checkpoint {
  readonly where: string;
  readonly files: readonly { path: string; file: SafetensorsFile }[];
  readonly indexText?: string;
  /** The shape of every tensor. */
  readonly shapes: Shapes;
  /** How every tensor is stored. */
  readonly storage: ReadonlyMap<string, StoredDType>;
  /** The tensor; throws where there is none. */
  read(name: string, options?: ReadOptions): Promise<NDArray>;
  readRows(name: string, begin: number, end: number): Promise<NDArray>;
  readAll(options?: ReadOptions): Promise<Map<string, NDArray>>;
}

/** Opens `model.safetensors`, or the shards that `model.safetensors.index.json` lists. Undefined where neither is. */
export async function openCheckpoint(folder: Folder): Promise<Checkpoint | undefined> {
  const single = await folder.open(WEIGHTS_FILE);
  if (single) return assemble(folder.where, [{ path: WEIGHTS_FILE, file: await openSafetensors(single) }]);
  const indexText = await readText(folder, INDEX_FILE);
  if (indexText === undefined) return undefined;
  const at = `${folder.where}/${INDEX_FILE}`;
  const map = weightMap(parseJsonObject(indexText, at, 'model'), at);
  const paths = [...new Set(Object.values(map))];
  const sources = await Promise.all(paths.map((p) => folder.open(checkPath(p, at))));
  const absent = paths.filter((_, i) => !sources[i]);
  if (absent.length > 0) {
    throw new DecantError('model', `files that the index lists are missing: ${absent.join(', ')}`, {
      at,
      fix: 'download or copy these files as well',
    });
  }
  const files: { path: string; file: SafetensorsFile }[] = [];
  for (let i = 0; i < paths.length; i++)
    files.push({ path: paths[i], file: await openSafetensors(sources[i]!) });
  checkIndex(map, files, at);
  return assemble(folder.where, files, indexText);
}

function weightMap(index: JsonObject, at: string): Record<string, string> {
  const map = index.weight_map;
  const ok =
    map !== null &&
    typeof map === 'object' &&
    !Array.isArray(map) &&
    Object.values(map).every((v) => typeof v === 'string');
  if (ok) return map as Record<string, string>;
  throw new DecantError('model', 'weight_map is not an object of file names', { at, seen: map ?? null });
}

function checkIndex(
  map: Record<string, string>,
  files: readonly { path: string; file: SafetensorsFile }[],
  at: string,
): void {
  const byPath = new Map(files.map((f) => [f.path, f.file]));
  const problems = Object.entries(map)
    .filter(([name, path]) => !byPath.get(path)?.has(name))
    .map(([name, path]) => `  ${name} is not in ${path}`);
  for (const { path, file } of files) {
    for (const e of file.entries) {
      if (map[e.name] !== path)
        problems.push(`  ${path} holds ${e.name}, which the index does not place there`);
    }
  }
  if (problems.length === 0) return;
  throw new DecantError('model', `the index and the files disagree:\n${problems.join('\n')}\n`, {
    at,
    fix: 'take index and files from the same revision',
  });
}

function assemble(
  where: string,
  files: readonly { path: string; file: SafetensorsFile }[],
  indexText?: string,
): Checkpoint {
  const owner = new Map<string, SafetensorsFile>();
  const shapes: Record<string, readonly number[]> = {};
  const storage = new Map<string, StoredDType>();
  for (const { file } of files) {
    for (const e of file.entries) {
      owner.set(e.name, file);
      shapes[e.name] = e.shape;
      storage.set(e.name, e.dtype);
    }
  }
  const find = (name: string): SafetensorsFile => {
    const file = owner.get(name);
    if (file) return file;
    throw new DecantError('model', `there is no tensor ${JSON.stringify(name)}`, { at: where });
  };
  return {
    where,
    files,
    ...(indexText === undefined ? {} : { indexText }),
    shapes,
    storage,
    read: async (name, options) => find(name).read(name, options),
    readRows: async (name, begin, end) => find(name).readRows(name, begin, end),
    readAll: async (options) => {
      const out = new Map<string, NDArray>();
      for (const [name, file] of owner) out.set(name, await file.read(name, options));
      return out;
    },
  };
}

/** A tensor that is loaded only when it is written. */
export interface LazyTensor {
  dtype: StoredDType;
  shape: readonly number[];
  load: () => Promise<NDArray | Uint8Array>;
}

export interface WriteCheckpointOptions {
  /** Keep files, order, stored types and header spelling of this checkpoint as far as names and shapes agree. */
  like?: Checkpoint;
  /** The stored type for floating-point tensors that `like` does not know. Default: as in memory. */
  float?: 'F32' | 'F16' | 'BF16';
  /** Files above this size are split. Default 5e9 bytes. */
  maxShardBytes?: number;
}

/** Every tensor of a checkpoint for {@link writeCheckpoint}, copied as bytes. */
export function lazyTensors(checkpoint: Checkpoint): Map<string, LazyTensor> {
  const out = new Map<string, LazyTensor>();
  for (const { file } of checkpoint.files) {
    for (const e of file.entries) {
      out.set(e.name, { dtype: e.dtype, shape: e.shape, load: () => file.readBytes(e.name) });
    }
  }
  return out;
}

/**
 * Writes the weights of a folder; files of a former layout are removed. Untouched weights come out byte-equal.
 * Lazy tensors must not come from the folder that is written.
 */
export async function writeCheckpoint(
  folder: Folder,
  tensors: ReadonlyMap<string, NDArray | LazyTensor>,
  options: WriteCheckpointOptions = {},
): Promise<void> {
  const { like } = options;
  const storedAs = (name: string, t: NDArray | LazyTensor): StoredDType => {
    if ('load' in t) return t.dtype;
    const known = like?.storage.get(name);
    if (known) return known;
    const natural = naturalStorage(t.dtype);
    return options.float && /^B?F\d/.test(natural) ? options.float : natural;
  };
  const item = (name: string): TensorToWrite => {
    const t = tensors.get(name)!;
    return { name, dtype: storedAs(name, t), shape: t.shape, load: 'load' in t ? t.load : () => t };
  };
  const before = new Set((await folder.list()).filter((p) => /^model(-\d+-of-\d+)?\.safetensors$/.test(p)));
  const written: string[] = [];
  const write = async (path: string, names: readonly string[], source?: SafetensorsFile): Promise<void> => {
    const metadata = source ? source.metadata : { format: 'pt' };
    await folder.write(path, safetensorsChunks(names.map(item), metadata, source?.headerBytes));
    written.push(path);
  };
  const sameNames =
    like && like.storage.size === tensors.size && [...tensors.keys()].every((n) => like.storage.has(n));
  const groups: { path: string; names: string[]; file?: SafetensorsFile }[] = sameNames
    ? like.files.map(({ path, file }) => ({ path, names: file.entries.map((e) => e.name), file }))
    : shard([...tensors.keys()].sort().map(item), options.maxShardBytes ?? 5e9);
  for (const g of groups) await write(g.path, g.names, g.file);
  if (groups.length > 1 || (sameNames && like.indexText !== undefined)) {
    const weight_map = Object.fromEntries(
      groups.flatMap((g) => g.names.map((n) => [n, g.path])).sort(byFirst),
    );
    const total = groups.flatMap((g) => g.names).reduce((sum, n) => sum + byteLength(item(n)), 0);
    await writeText(
      folder,
      INDEX_FILE,
      indexTextFor(weight_map, total, sameNames ? like.indexText : undefined),
    );
  } else {
    await folder.remove(INDEX_FILE);
  }
  for (const path of before) if (!written.includes(path)) await folder.remove(path);
}

const byteLength = (t: TensorToWrite): number => t.shape.reduce((n, d) => n * d, STORED_BITS[t.dtype]) / 8;
const byFirst = (a: string[], b: string[]): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);

function shard(tensors: readonly TensorToWrite[], limit: number): { path: string; names: string[] }[] {
  const groups: TensorToWrite[][] = [[]];
  let size = 0;
  for (const t of tensors) {
    const bytes = byteLength(t);
    if (size > 0 && size + bytes > limit) {
      groups.push([]);
      size = 0;
    }
    groups[groups.length - 1].push(t);
    size += bytes;
  }
  const inOrder = groups.map((g) => g.sort(byStorageOrder).map((t) => t.name));
  if (groups.length === 1) return [{ path: WEIGHTS_FILE, names: inOrder[0] }];
  const five = (n: number): string => String(n).padStart(5, '0');
  return inOrder.map((names, i) => ({
    path: `model-${five(i + 1)}-of-${five(groups.length)}.safetensors`,
    names,
  }));
}

function indexTextFor(weight_map: Record<string, string>, total: number, old?: string): string {
  if (old === undefined)
    return `${JSON.stringify({ metadata: { total_size: total }, weight_map }, null, 2)}\n`;
  const index = parseJsonObject(old, INDEX_FILE, 'model');
  const metadata = { ...(index.metadata as JsonObject | undefined) };
  // some writers count tied weights twice: the old number stays while the tensors are the same
  if (!('total_size' in metadata)) metadata.total_size = total;
  return patchJsonText(old, { ...index, metadata, weight_map });
}
