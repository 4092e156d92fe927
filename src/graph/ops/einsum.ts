import { DecantError } from '../../util/errors.ts';
import { type Dim, dimEquals, dimProduct, isSymbolic, type Shape, showShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './arithmetic.ts';
import { reshape } from './basic.ts';
import { matmul } from './linear.ts';
import { sum } from './reduce.ts';
import { transpose } from './shape.ts';
import { slice } from './slicing.ts';

/** A tensor whose axes carry labels; the axes of an ellipsis are labelled `.0`, `.1`, … from the right. */
interface Labelled {
  readonly t: Tensor;
  readonly labels: readonly string[];
}

const fail = (what: string, equation: string): never => {
  throw new DecantError('shape', `einsum: ${what}`, { seen: equation });
};

function parseTerm(term: string, equation: string): { before: string[]; after: string[]; open: boolean } {
  const parts = term.split('...');
  if (parts.length > 2 || !/^[A-Za-z]*$/.test(parts.join('')))
    fail(`a term may hold letters and one '...', not '${term}'`, equation);
  return { before: [...parts[0]], after: [...(parts[1] ?? '')], open: parts.length === 2 };
}

function label(t: Tensor, term: string, equation: string): Labelled {
  const { before, after, open } = parseTerm(term, equation);
  const extra = t.rank - before.length - after.length;
  if (extra < 0 || (extra > 0 && !open))
    fail(`term '${term}' does not fit an operand of shape ${showShape(t.shape)}`, equation);
  const dots = Array.from({ length: extra }, (_, i) => `.${extra - 1 - i}`);
  return { t, labels: [...before, ...dots, ...after] };
}

/** Reorders axes. */
function arrange({ t, labels }: Labelled, order: readonly string[]): Tensor {
  const perm = order.map((l) => labels.indexOf(l));
  return perm.every((p, i) => p === i) ? t : transpose(t, perm);
}

/** Keeps the diagonal of a label that occurs twice in one operand. */
function takeDiagonals(x: Labelled, equation: string): Labelled {
  const repeated = x.labels.find((l, i) => x.labels.indexOf(l) !== i);
  if (repeated === undefined) return x;
  const [i, j] = x.labels.flatMap((l, a) => (l === repeated ? [a] : []));
  const n = x.t.shape[i];
  if (isSymbolic(n) || !dimEquals(n, x.t.shape[j]))
    fail(
      `the repeated index '${repeated}' needs two equal, known sizes, not ${showShape(x.t.shape)}`,
      equation,
    );
  const rest = x.labels.flatMap((_, a) => (a === i || a === j ? [] : [a]));
  const moved = transpose(x.t, [...rest, i, j]);
  const lead = rest.map((a) => x.t.shape[a]);
  const size = n as number;
  const line = reshape(moved, [...lead, size * size]);
  const t =
    size <= 1
      ? line
      : slice(line, { starts: [0], ends: [size * size], axes: [rest.length], steps: [size + 1] });
  return takeDiagonals({ t, labels: [...rest.map((a) => x.labels[a]), repeated] }, equation);
}

/** Sums labels that nothing else needs. */
function sumAway(x: Labelled, needed: ReadonlySet<string>): Labelled {
  const axes = x.labels.flatMap((l, a) => (needed.has(l) ? [] : [a]));
  return { t: sum(x.t, axes), labels: x.labels.filter((l) => needed.has(l)) };
}

const sizeAt = (x: Labelled, l: string): Dim => x.t.shape[x.labels.indexOf(l)];
const without = (x: readonly string[], y: readonly string[]): string[] => x.filter((l) => !y.includes(l));

/** Merges two operands; labels that are not `needed` afterwards are summed over. */
function contract(a: Labelled, b: Labelled, needed: ReadonlySet<string>, equation: string): Labelled {
  const both = a.labels.filter((l) => b.labels.includes(l));
  for (const l of both) {
    const [x, y] = [sizeAt(a, l), sizeAt(b, l)];
    if (!dimEquals(x, y) && !(l.startsWith('.') && (x === 1 || y === 1)))
      fail(`index '${l}' has two sizes, in ${showShape(a.t.shape)} and ${showShape(b.t.shape)}`, equation);
  }
  const over = both.filter((l) => !needed.has(l));
  const batch = both.filter((l) => needed.has(l));
  const [freeA, freeB] = [without(a.labels, both), without(b.labels, both)];
  if (over.length === 0) {
    // an outer or element-wise product
    const labels = [...batch, ...freeA, ...freeB];
    const widen = (x: Labelled): Tensor => {
      const own = labels.filter((l) => x.labels.includes(l));
      return reshape(
        arrange(x, own),
        labels.map((l) => (x.labels.includes(l) ? sizeAt(x, l) : 1)),
      );
    };
    return { t: mul(widen(a), widen(b)), labels };
  }
  const sizes = (x: Labelled, ls: readonly string[]): Shape => ls.map((l) => sizeAt(x, l));
  const side = (x: Labelled, free: readonly string[], contractedLast: boolean): [Tensor, boolean] => {
    const direct = [...batch, ...(contractedLast ? [...free, ...over] : [...over, ...free])];
    const turned = [...batch, ...(contractedLast ? [...over, ...free] : [...free, ...over])];
    // an operand that already lies transposed is multiplied that way, not copied
    const flip = turned.every((l, i) => l === x.labels[i]) && !direct.every((l, i) => l === x.labels[i]);
    const [m, k] = [dimProduct(sizes(x, free)), dimProduct(sizes(x, over))];
    const matrix = contractedLast !== flip ? [m, k] : [k, m];
    return [reshape(arrange(x, flip ? turned : direct), [...sizes(x, batch), ...matrix]), flip];
  };
  const [ta, transA] = side(a, freeA, true);
  const [tb, transB] = side(b, freeB, false);
  const y = matmul(ta, tb, { transA, transB });
  const lead = y.shape.slice(0, batch.length);
  return {
    t: reshape(y, [...lead, ...sizes(a, freeA), ...sizes(b, freeB)]),
    labels: [...batch, ...freeA, ...freeB],
  };
}

/**
 * Einstein summation, as in NumPy: `einsum('bqd,bkd->bqk', q, k)`. Ellipses, repeated indices (diagonals) and an
 * implicit output are understood; operands are merged from left to right by matrix products.
 */
export function einsum(equation: string, ...operands: Tensor[]): Tensor {
  const compact = equation.replaceAll(' ', '');
  const [left, right, more] = compact.split('->');
  const terms = left.split(',');
  if (more !== undefined || terms.length !== operands.length)
    fail(`${terms.length} terms for ${operands.length} operands`, equation);
  let list = operands.map((t, i) => takeDiagonals(label(t, terms[i], equation), equation));
  const present = [...new Set(list.flatMap((x) => x.labels))];
  const dots = present
    .filter((l) => l.startsWith('.'))
    .sort((x, y) => Number(y.slice(1)) - Number(x.slice(1)));
  const output = outputLabels(right, terms, dots, equation);
  for (const l of output) if (!present.includes(l)) fail(`output index '${l}' is in no term`, equation);
  if (new Set(output).size !== output.length) fail('an output index occurs twice', equation);
  const neededBy = (others: readonly Labelled[]): Set<string> =>
    new Set([...output, ...others.flatMap((x) => x.labels)]);
  list = list.map((x, i) => sumAway(x, neededBy(list.filter((_, k) => k !== i))));
  let result = list[0];
  for (let i = 1; i < list.length; i++)
    result = contract(result, list[i], neededBy(list.slice(i + 1)), equation);
  return arrange(result, output);
}

/** Without `->`: the ellipsis, then the letters that occur once, in alphabetical order. */
function outputLabels(
  right: string | undefined,
  terms: readonly string[],
  dots: readonly string[],
  equation: string,
): string[] {
  if (right !== undefined) {
    const { before, after, open } = parseTerm(right, equation);
    return [...before, ...(open ? dots : []), ...after];
  }
  const letters = terms.join('').replaceAll('.', '');
  const once = [...new Set(letters)].filter((l) => letters.indexOf(l) === letters.lastIndexOf(l));
  return [...dots, ...once.sort()];
}
