import { add, broadcastTo, cast, constant, div, maximum, mul, sum, type Tensor } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';

/** What a term is averaged over. The sizes are counted over the whole batch, accumulation included. */
export type Over = 'examples' | 'labelled' | 'tokens';

/** One named part of a loss, un-reduced, so that it can be plotted, masked and accumulated exactly. */
export interface Term {
  /** `[batch]`, `[batch, seq]` (over tokens), or a scalar for losses that couple the examples of a batch. */
  readonly value: Tensor;
  /** Default: examples. */
  readonly over?: Over;
  /** Factor in the total; a number or a scalar tensor. Default 1. A term of weight 0 is only reported. */
  readonly weight?: number | Tensor;
}

export type Terms = Readonly<Record<string, Term>>;

/** Masks by what they count, each float32: examples and labelled `[batch]`, tokens `[batch, seq]`. */
export type Masks = Readonly<Partial<Record<Over, Tensor>>>;

/** Sizes of the masks over the whole (accumulated) batch, float32 scalars. */
export type Denominators = Readonly<Partial<Record<Over, Tensor>>>;

/**
 * Total = Σ_terms weight · Σ(value · mask) / size(mask). Summed over the micro-batches of one accumulated batch it
 * is exactly the loss of the whole batch (for terms that do not couple examples), whatever the split.
 */
export function reduceTerms(
  terms: Terms,
  masks: Masks,
  sizes: Denominators,
): { total: Tensor; reduced: Record<string, Tensor>; weighted: Record<string, Tensor> } {
  const reduced: Record<string, Tensor> = {};
  const weighted: Record<string, Tensor> = {};
  for (const [name, term] of Object.entries(terms)) {
    const over = term.over ?? 'examples';
    const mask = masks[over];
    const size = sizes[over];
    if (!mask || !size) {
      throw new DecantError(
        'internal',
        `the term '${name}' is averaged over ${over}, which this task does not have`,
        {
          allowed: Object.keys(masks).join(', '),
        },
      );
    }
    const safe = maximum(size, 1);
    const value =
      term.value.rank === 0
        ? div(mul(term.value, sum(mask)), safe)
        : div(sum(mul(term.value, broadcastTo(cast(mask, 'float32'), term.value.shape))), safe);
    reduced[name] = value;
    if (term.weight === 0) continue;
    weighted[name] = term.weight === undefined || term.weight === 1 ? value : mul(value, term.weight);
  }
  return { total: totalOf(Object.values(weighted)), reduced, weighted };
}

/** Σ of scalars; 0 of none. */
export const totalOf = (values: readonly Tensor[]): Tensor =>
  values.length === 0 ? constant(0) : values.reduce((a, b) => add(a, b));
