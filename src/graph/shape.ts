import { DecantError } from '../util/errors.ts';

/**
 * A dimension: a non-negative integer, or a symbolic size such as `batch` or `past + seq`. Symbolic sizes are
 * polynomials with integer coefficients over named symbols and floor-divisions; equal sizes have equal keys.
 */
export type Dim = number | SymDim;
export type Shape = readonly Dim[];

export interface SymDim {
  readonly key: string;
  /** monomial (sorted atom keys joined by `*`, '' for the constant) to coefficient */
  readonly terms: ReadonlyMap<string, number>;
  readonly atoms: ReadonlyMap<string, Atom>;
}

type Atom = { readonly symbol: string } | { readonly floorOf: Dim; readonly by: Dim };

/** Sizes of symbols when a graph runs. */
export type Bindings = Readonly<Record<string, number>>;

/** A named symbolic dimension. Names are identifiers: `batch`, `seq`, `past`. */
export function sym(name: string): SymDim {
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    throw new DecantError('shape', 'a symbolic dimension needs an identifier as its name', { seen: name });
  }
  return build(new Map([[name, 1]]), new Map([[name, { symbol: name }]])) as SymDim;
}

export const isSymbolic = (d: Dim): d is SymDim => typeof d !== 'number';
export const dimKey = (d: Dim): string => (typeof d === 'number' ? String(d) : d.key);
export const dimEquals = (a: Dim, b: Dim): boolean =>
  typeof a === 'number' && typeof b === 'number' ? a === b : dimKey(a) === dimKey(b);
export const shapeEquals = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => dimEquals(d, b[i]));
export const isConcrete = (s: Shape): s is readonly number[] => s.every((d) => typeof d === 'number');
export const showShape = (s: Shape): string => `[${s.map(dimKey).join(', ')}]`;

/** The name if the dimension is a bare symbol. */
export function symbolName(d: Dim): string | undefined {
  if (typeof d === 'number' || d.terms.size !== 1) return undefined;
  const [[monomial, coefficient]] = d.terms;
  const atom = d.atoms.get(monomial);
  return coefficient === 1 && atom && 'symbol' in atom ? atom.symbol : undefined;
}

export function dimAdd(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  const terms = new Map(termsOf(a));
  for (const [m, c] of termsOf(b)) terms.set(m, (terms.get(m) ?? 0) + c);
  return build(terms, new Map([...atomsOf(a), ...atomsOf(b)]));
}

export const dimSub = (a: Dim, b: Dim): Dim => dimAdd(a, dimMul(b, -1));

export function dimMul(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const terms = new Map<string, number>();
  for (const [ma, ca] of termsOf(a)) {
    for (const [mb, cb] of termsOf(b)) {
      const m = [...split(ma), ...split(mb)].sort().join('*');
      terms.set(m, (terms.get(m) ?? 0) + ca * cb);
    }
  }
  return build(terms, new Map([...atomsOf(a), ...atomsOf(b)]));
}

/** Exact quotient, or undefined when `b` (an integer or a single monomial) does not divide `a` for every binding. */
export function dimDivide(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === 'number' && typeof b === 'number') return b !== 0 && a % b === 0 ? a / b : undefined;
  const divisor = [...termsOf(b)];
  if (divisor.length !== 1) return dimEquals(a, b) ? 1 : undefined;
  const [mb, cb] = divisor[0];
  const terms = new Map<string, number>();
  for (const [m, c] of termsOf(a)) {
    const rest = split(m);
    for (const atom of split(mb)) {
      const at = rest.indexOf(atom);
      if (at < 0) return undefined;
      rest.splice(at, 1);
    }
    if (cb === 0 || c % cb !== 0) return undefined;
    terms.set(rest.join('*'), c / cb);
  }
  return build(terms, new Map(atomsOf(a)));
}

/** floor(a / b); stays symbolic when it cannot be simplified. */
export function dimFloorDiv(a: Dim, b: Dim): Dim {
  const exact = dimDivide(a, b);
  if (exact !== undefined) return exact;
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b);
  const key = `floor((${dimKey(a)})/(${dimKey(b)}))`.replaceAll('*', '·');
  return build(new Map([[key, 1]]), new Map([[key, { floorOf: a, by: b }]]));
}

export const dimProduct = (dims: Shape): Dim => dims.reduce<Dim>(dimMul, 1);

/** The size of `d` under the bindings; an unbound symbol is an error. */
export function evalDim(d: Dim, bindings: Bindings): number {
  if (typeof d === 'number') return d;
  let total = 0;
  for (const [m, c] of d.terms) {
    let product = c;
    for (const name of split(m)) {
      const atom = d.atoms.get(name)!;
      if ('symbol' in atom) {
        const size = bindings[atom.symbol];
        if (size === undefined) {
          throw new DecantError('shape', `the symbolic dimension '${atom.symbol}' has no size`, {
            fix: `no input of the graph has an axis of size '${atom.symbol}'; give one, or use an integer`,
          });
        }
        product *= size;
      } else product *= Math.floor(evalDim(atom.floorOf, bindings) / evalDim(atom.by, bindings));
    }
    total += product;
  }
  return total;
}

export const evalShape = (s: Shape, bindings: Bindings): number[] => s.map((d) => evalDim(d, bindings));

/** Replaces symbols by sizes where they are bound. */
export function bindDim(d: Dim, bindings: Bindings): Dim {
  if (typeof d === 'number') return d;
  let total: Dim = 0;
  for (const [m, c] of d.terms) {
    let product: Dim = c;
    for (const name of split(m)) {
      const atom = d.atoms.get(name)!;
      const factor: Dim =
        'symbol' in atom
          ? (bindings[atom.symbol] ?? sym(atom.symbol))
          : dimFloorDiv(bindDim(atom.floorOf, bindings), bindDim(atom.by, bindings));
      product = dimMul(product, factor);
    }
    total = dimAdd(total, product);
  }
  return total;
}

/** A dimension as data, for emission: the sum of coefficient × product of factors. */
export interface DimPolynomial {
  coefficient: number;
  factors: ({ symbol: string } | { floorOf: Dim; by: Dim })[];
}

export const dimTerms = (d: SymDim): DimPolynomial[] =>
  [...d.terms].map(([m, coefficient]) => ({ coefficient, factors: split(m).map((a) => d.atoms.get(a)!) }));

/** NumPy broadcasting of several shapes; two different sizes, neither of them 1, are an error. */
export function broadcastShapes(...shapes: Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, axis) => {
    let out: Dim = 1;
    for (const s of shapes) {
      const d = s[axis - rank + s.length];
      if (d === undefined || d === 1 || dimEquals(d, out)) continue;
      if (out !== 1) {
        throw new DecantError('shape', `shapes ${shapes.map(showShape).join(' and ')} do not broadcast`, {
          seen: `${dimKey(out)} against ${dimKey(d)} at axis ${axis - rank}`,
          allowed: 'equal sizes, or 1',
        });
      }
      out = d;
    }
    return out;
  });
}

/** A non-negative axis; throws when out of range. */
export function normalizeAxis(axis: number, rank: number): number {
  const a = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || a < 0 || a >= Math.max(rank, 1)) {
    throw new DecantError('shape', 'axis out of range', { seen: axis, allowed: `${-rank} to ${rank - 1}` });
  }
  return a;
}

/** Sorted, distinct, non-negative axes; all of them when undefined. */
export function normalizeAxes(axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axes === 'number' ? [axes] : [...axes]).map((a) => normalizeAxis(a, rank));
  return [...new Set(list)].sort((a, b) => a - b);
}

const termsOf = (d: Dim): Iterable<[string, number]> => (typeof d === 'number' ? [['', d]] : d.terms);
const atomsOf = (d: Dim): Iterable<[string, Atom]> => (typeof d === 'number' ? [] : d.atoms);
const split = (monomial: string): string[] => (monomial === '' ? [] : monomial.split('*'));

function build(terms: Map<string, number>, atoms: Map<string, Atom>): Dim {
  for (const [m, c] of terms) if (c === 0) terms.delete(m);
  const monomials = [...terms.keys()].sort();
  if (monomials.length === 0) return 0;
  if (monomials.length === 1 && monomials[0] === '') return terms.get('')!;
  const used = new Set(monomials.flatMap(split));
  for (const a of atoms.keys()) if (!used.has(a)) atoms.delete(a);
  const key = monomials
    .map((m) => {
      const c = terms.get(m)!;
      return m === '' ? String(c) : c === 1 ? m : `${c}*${m}`;
    })
    .join(' + ');
  return { key, terms, atoms };
}
