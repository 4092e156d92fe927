import type { NDArray } from '../ndarray.ts';
import type { SymDim } from '../shape.ts';

const identities = new WeakMap<object, number>();
let next = 0;
/** A text per object: the same object, the same text. */
export const objectKey = (x: object): string => {
  let id = identities.get(x);
  if (id === undefined) {
    id = next++;
    identities.set(x, id);
  }
  return `@${id}`;
};

const isArray = (x: object): x is NDArray => 'dtype' in x && 'shape' in x && 'data' in x;
const isDim = (x: object): x is SymDim => 'terms' in x && 'atoms' in x && 'key' in x;

/**
 * A text that is equal for equal attributes. Small arrays and plain data are compared by content; functions, class
 * instances and large arrays by identity.
 */
export function attrKey(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null)
    return typeof value === 'function' ? objectKey(value) : String(value);
  if (Array.isArray(value)) return `[${value.map(attrKey).join()}]`;
  if (isDim(value)) return `dim ${value.key}`;
  if (isArray(value)) {
    if (value.data.byteLength > 256) return objectKey(value.data);
    return `${value.dtype}[${value.shape}]${Array.from(value.data as ArrayLike<number>, (v) => (Object.is(v, -0) ? '-0' : String(v)))}`;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return objectKey(value);
  return `{${Object.entries(value)
    .map(([k, v]) => `${k}:${attrKey(v)}`)
    .join()}}`;
}
