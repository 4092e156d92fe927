import { create } from '@bufbuild/protobuf';
import {
  type StringStringEntryProto,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
} from 'onnx-buf';
import { DecantError } from '../../util/errors.ts';
import { checkPath } from '../../util/folder.ts';

export interface ExternalDataOptions {
  /** File name, relative to the model, that the weights go to. */
  location: string;
  /** Weights of at least this many bytes move out; default 1024. */
  threshold?: number;
}

// page size, so that a runtime may map the file into memory
const ALIGNMENT = 4096;

/**
 * Moves the data of large weights out of their tensors; returns the pieces of the data file in order, and the
 * tensors that refer to it by location, offset and length. Nothing is copied.
 */
export function externalize(
  tensors: readonly TensorProto[],
  { location, threshold = 1024 }: ExternalDataOptions,
): { tensors: TensorProto[]; data: Uint8Array[] } {
  checkPath(location, 'externalData.location');
  const data: Uint8Array[] = [];
  let offset = 0;
  const out = tensors.map((t) => {
    const raw = t.rawData;
    if (!Object.hasOwn(t, 'rawData') || raw.length === 0 || raw.length < threshold) return t;
    const padding = (ALIGNMENT - (offset % ALIGNMENT)) % ALIGNMENT;
    if (padding > 0) data.push(new Uint8Array(padding));
    offset += padding;
    const entries = { location, offset: String(offset), length: String(raw.length) };
    data.push(raw);
    offset += raw.length;
    const { rawData: _, ...rest } = t;
    return {
      ...rest,
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => entry(key, value)),
    } as unknown as TensorProto;
  });
  return { tensors: out, data };
}

const entry = (key: string, value: string): StringStringEntryProto =>
  create(StringStringEntryProtoSchema, { key, value });

/** Gives the bytes of the data file at `location` (a checked relative path), or undefined where there is none. */
export type ExternalData =
  | Readonly<Record<string, Uint8Array>>
  | ((location: string) => Uint8Array | undefined);

/** The bytes that an external tensor refers to, as a view of the data file. */
export function externalBytes(t: TensorProto, files: ExternalData | undefined): Uint8Array {
  const at = `tensor '${t.name}'`;
  const fields = Object.fromEntries(t.externalData.map((e) => [e.key, e.value]));
  const fail = (what: string, details: object): never => {
    throw new DecantError('model', what, { at, ...details });
  };
  const location = fields.location ?? fail('external data has no location', {});
  try {
    checkPath(location, at);
  } catch {
    fail('external data leads outside the folder of the model', {
      seen: location,
      allowed: 'relative paths with / and without ..',
    });
  }
  const own = typeof files === 'object' && Object.hasOwn(files, location) ? files[location] : undefined;
  const file = typeof files === 'function' ? files(location) : own;
  if (!file) {
    return fail(`the data file '${location}' is missing`, {
      fix: 'place it next to the model, or pass it as externalData',
    });
  }
  const number = (key: string, fallback: number): number => {
    const text = fields[key];
    if (text === undefined) return fallback;
    const n = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return Number.isSafeInteger(n) ? n : fail(`external data has a bad ${key}`, { seen: text });
  };
  const offset = number('offset', 0);
  const length = number('length', file.length - offset);
  if (length < 0 || offset + length > file.length) {
    fail(`external data ends outside '${location}'`, {
      seen: `bytes ${offset} to ${offset + length}`,
      allowed: `0 to ${file.length}`,
    });
  }
  return file.subarray(offset, offset + length);
}
