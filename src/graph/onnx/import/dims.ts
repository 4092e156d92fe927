import type { TypeProto_Tensor } from 'onnx-buf';
import { DecantError } from '../../../util/errors.ts';
import { type Dim, dimAdd, dimFloorDiv, dimMul, isSymbolic, type Shape, sym } from '../../shape.ts';

/** What a symbolic dimension is to be: a size, or another name (to say that two of them are equal). */
export type DimBindings = Readonly<Record<string, number | string>>;

/**
 * The shape that a value's type declares. `dim_param` may be a name or an expression such as `past + seq`; a
 * dimension without a name becomes a symbol of its own, `<value>_<axis>`.
 */
export function declaredShape(type: TypeProto_Tensor, name: string, bindings: DimBindings): Shape {
  return (type.shape?.dim ?? []).map(({ value }, axis) => {
    if (value.case === 'dimValue') {
      const n = Number(value.value);
      if (!Number.isSafeInteger(n))
        throw new DecantError('model', 'an impossible size', { at: name, seen: String(value.value) });
      if (n >= 0) return n;
    }
    const text = value.case === 'dimParam' && value.value !== '' ? value.value : `${name}_${axis}`;
    return parseDim(text, bindings);
  });
}

/** A dimension from its text: the sums, products and floor-divisions that Decant writes, else one symbol. */
export function parseDim(text: string, bindings: DimBindings = {}): Dim {
  if (Object.hasOwn(bindings, text)) return bound(bindings[text]);
  const parsed = text.length <= 500 ? parseSum(new Reader(text), bindings, true) : undefined;
  return parsed ?? named(text, bindings);
}

const named = (text: string, bindings: DimBindings): Dim => {
  const name = text.replace(/\W/g, '_').replace(/^(?=\d)/, '_') || '_';
  return Object.hasOwn(bindings, name) ? bound(bindings[name]) : sym(name);
};

const bound = (to: number | string): Dim => (typeof to === 'number' ? to : sym(to));

class Reader {
  at = 0;
  readonly text: string;
  constructor(text: string) {
    this.text = text.replace(/\s+/g, '').replaceAll('·', '*');
  }
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const m = pattern.exec(this.text);
    if (m) this.at = pattern.lastIndex;
    return m?.[0];
  }
  get done(): boolean {
    return this.at === this.text.length;
  }
}

function parseSum(r: Reader, b: DimBindings, whole: boolean): Dim | undefined {
  let total: Dim = 0;
  let sign: string | undefined = '+';
  do {
    const term = parseProduct(r, b);
    if (term === undefined) return undefined;
    total = dimAdd(total, sign === '-' ? dimMul(term, -1) : term);
  } while ((sign = r.take(/[+-]/y)) !== undefined);
  if (whole && !r.done) return undefined;
  return isSymbolic(total) || total >= 0 || !whole ? total : undefined;
}

function parseProduct(r: Reader, b: DimBindings): Dim | undefined {
  let product = parseFactor(r, b);
  while (product !== undefined) {
    const operator = r.take(/\*|\/\/|\//y);
    if (operator === undefined) return product;
    const factor = parseFactor(r, b);
    if (factor === undefined || (operator !== '*' && factor === 0)) return undefined;
    product = operator === '*' ? dimMul(product, factor) : dimFloorDiv(product, factor);
  }
  return undefined;
}

function parseFactor(r: Reader, b: DimBindings): Dim | undefined {
  const digits = r.take(/-?\d{1,15}/y);
  if (digits !== undefined) return Number(digits);
  if (r.take(/floor\(/y) !== undefined || r.take(/\(/y) !== undefined) {
    const inner = parseSum(r, b, false);
    return inner !== undefined && r.take(/\)/y) !== undefined ? inner : undefined;
  }
  const name = r.take(/[A-Za-z_]\w*/y);
  if (name === undefined || r.take(/\(/y) !== undefined) return undefined;
  return named(name, b);
}
