import { fromFloat16Bits } from '../graph/dtype.ts';
import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';
import { type ByteSource, concatChunks, memorySource } from '../util/folder.ts';
import {
  byStorageOrder,
  decodeTensor,
  encodeTensor,
  HOST_DTYPE,
  naturalStorage,
  type StoredDType,
} from './safetensors-dtype.ts';
import { buildHeader, readHeader, type TensorEntry } from './safetensors-header.ts';

/** An open safetensors file: the header is read and checked, tensors are read on demand by byte range. */
export interface SafetensorsFile {
  readonly name: string;
  /** In the order of the data section. */
  readonly entries: readonly TensorEntry[];
  readonly metadata?: Record<string, string>;
  /** The header as it stands in the file, for byte-equal rewriting. */
  readonly headerBytes: Uint8Array;
  has(tensor: string): boolean;
  /** The whole tensor (BF16 as float32; I8, U8 and 16-bit integers as int32). */
  read(tensor: string, options?: ReadOptions): Promise<NDArray>;
  /** Rows `[begin, end)` along the first axis, without reading the others. */
  readRows(tensor: string, begin: number, end: number): Promise<NDArray>;
  /** The stored bytes. */
  readBytes(tensor: string): Promise<Uint8Array>;
}

export interface ReadOptions {
  /** Throws when the tensor holds NaN or infinity. */
  finite?: boolean;
}

/** Opens a file; throws naming file and tensor where the header is malformed. */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const header = await readHeader(source);
  const byName = new Map(header.entries.map((e) => [e.name, e]));
  const find = (tensor: string): TensorEntry => {
    const entry = byName.get(tensor);
    if (entry) return entry;
    throw new DecantError('model', `there is no tensor ${JSON.stringify(tensor)}`, {
      at: source.name,
      allowed: `${[...byName.keys()].slice(0, 8).join(', ')}${byName.size > 8 ? `, ... (${byName.size})` : ''}`,
    });
  };
  const place = (e: TensorEntry): string => `${source.name}: tensor ${JSON.stringify(e.name)}`;
  const bytes = (e: TensorEntry, begin: number, end: number): Promise<Uint8Array> =>
    source.read(header.dataStart + e.begin + begin, header.dataStart + e.begin + end);
  const toArray = (e: TensorEntry, raw: Uint8Array, shape: readonly number[]): NDArray =>
    ndarray(decodeTensor(raw, e.dtype, place(e)), shape, HOST_DTYPE[e.dtype]);
  return {
    name: source.name,
    entries: header.entries,
    ...(header.metadata ? { metadata: header.metadata } : {}),
    headerBytes: header.bytes,
    has: (tensor) => byName.has(tensor),
    read: async (tensor, options = {}) => {
      const e = find(tensor);
      const array = toArray(e, await bytes(e, 0, e.end - e.begin), e.shape);
      if (options.finite) checkFinite(array, place(e));
      return array;
    },
    readRows: async (tensor, begin, end) => {
      const e = find(tensor);
      const rows = e.shape[0] ?? 0;
      if (!(Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin <= end && end <= rows)) {
        throw new DecantError('model', 'rows out of range', {
          at: place(e),
          seen: [begin, end],
          allowed: `0 to ${rows}`,
        });
      }
      const rowBytes = rows === 0 ? 0 : (e.end - e.begin) / rows;
      if (!Number.isInteger(rowBytes)) {
        throw new DecantError('model', `rows of ${e.dtype} do not start at whole bytes`, { at: place(e) });
      }
      return toArray(e, await bytes(e, begin * rowBytes, end * rowBytes), [end - begin, ...e.shape.slice(1)]);
    },
    readBytes: (tensor) => {
      const e = find(tensor);
      return bytes(e, 0, e.end - e.begin);
    },
  };
}

/** Every tensor of a file held in memory, with the type each one is stored as. */
export async function parseSafetensors(
  bytes: Uint8Array,
  name = 'model.safetensors',
  options: ReadOptions = {},
): Promise<{
  tensors: Map<string, NDArray>;
  storage: Map<string, StoredDType>;
  metadata?: Record<string, string>;
}> {
  const file = await openSafetensors(memorySource(bytes, name));
  const tensors = new Map<string, NDArray>();
  for (const e of file.entries) tensors.set(e.name, await file.read(e.name, options));
  const storage = new Map(file.entries.map((e) => [e.name, e.dtype]));
  return { tensors, storage, ...(file.metadata ? { metadata: file.metadata } : {}) };
}

/** A tensor to be written; `load` is called once, when its turn has come, so that only one is in memory. */
export interface TensorToWrite {
  name: string;
  dtype: StoredDType;
  shape: readonly number[];
  load: () => NDArray | Uint8Array | Promise<NDArray | Uint8Array>;
}

/** The bytes of a safetensors file in pieces: header, then the tensors in the given order. */
export async function* safetensorsChunks(
  tensors: readonly TensorToWrite[],
  metadata?: Record<string, string>,
  /** The header of the file this one was read from: kept to the byte where it says the same. */
  keepHeader?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const { bytes, entries } = buildHeader(tensors, metadata);
  yield keepHeader && (await saysTheSame(keepHeader, entries, metadata)) ? keepHeader : bytes;
  for (let i = 0; i < tensors.length; i++) {
    const { name, dtype, shape, load } = tensors[i];
    const at = `tensor ${JSON.stringify(name)}`;
    const loaded = await load();
    if (!(loaded instanceof Uint8Array) && `${loaded.shape}` !== `${shape}`) {
      throw new DecantError('shape', 'the loaded shape differs from the declared one', {
        at,
        seen: loaded.shape,
        allowed: `[${shape}]`,
      });
    }
    const data = loaded instanceof Uint8Array ? loaded : encodeTensor(loaded, dtype, at);
    if (data.length !== entries[i].end - entries[i].begin) {
      throw new DecantError('internal', `${entries[i].end - entries[i].begin} bytes were declared`, {
        at,
        seen: data.length,
      });
    }
    yield data;
  }
}

/** A whole safetensors file in memory, in the order of the reference implementation. */
export async function buildSafetensors(
  tensors: ReadonlyMap<string, NDArray>,
  options: { storage?: ReadonlyMap<string, StoredDType>; metadata?: Record<string, string> } = {},
): Promise<Uint8Array> {
  const list = [...tensors].map(([name, array]) => {
    const dtype = options.storage?.get(name) ?? naturalStorage(array.dtype);
    return { name, dtype, shape: array.shape, load: () => array };
  });
  return concatChunks(safetensorsChunks(list.sort(byStorageOrder), options.metadata ?? { format: 'pt' }));
}

async function saysTheSame(
  header: Uint8Array,
  entries: readonly TensorEntry[],
  metadata: Record<string, string> | undefined,
): Promise<boolean> {
  const dataSize = entries.length > 0 ? entries[entries.length - 1].end : 0;
  const source: ByteSource = {
    name: 'kept header',
    size: header.length + dataSize,
    read: async (begin, end) => header.slice(begin, end),
  };
  const old = await readHeader(source).catch(() => undefined);
  if (!old || old.entries.length !== entries.length) return false;
  const key = (e: TensorEntry): string => `${e.name}\0${e.dtype}\0${e.shape}\0${e.begin}\0${e.end}`;
  const wanted = new Set(entries.map(key));
  const sorted = (m: Record<string, string> = {}): string => JSON.stringify(Object.entries(m).sort());
  return old.entries.every((e) => wanted.has(key(e))) && sorted(old.metadata) === sorted(metadata);
}

/** Throws when a float array holds NaN or infinity; says how many and where the first one is. */
export function checkFinite(array: NDArray, at: string): void {
  const { dtype, data } = array;
  if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16') return;
  let count = 0;
  let first = -1;
  for (let i = 0; i < data.length; i++) {
    const bad = dtype === 'float16' ? (Number(data[i]) & 0x7c00) === 0x7c00 : !Number.isFinite(data[i]);
    if (!bad) continue;
    if (first < 0) first = i;
    count++;
  }
  if (count === 0) return;
  const value = dtype === 'float16' ? fromFloat16Bits(Number(data[first])) : Number(data[first]);
  throw new DecantError('model', `${count} of ${data.length} values are NaN or infinite`, {
    at,
    seen: `${value} at element ${first} of shape [${array.shape}]`,
    fix: 'use a checkpoint from before the training diverged',
  });
}
