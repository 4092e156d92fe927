import {
  add,
  concat,
  customVjp,
  exp,
  expandDims,
  gradients,
  identity,
  isSymbolic,
  linear,
  logSoftmax,
  matmul,
  mul,
  reshape,
  slice,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { logMass } from './numerics.ts';

/**
 * Divergences straight from hidden states and head weights, chunk of rows by chunk of rows: no `[tokens, vocab]` matrix
 * ever exists, neither forwards nor backwards. Equal in value and gradient to the head's logits, `temperedLogp` and the
 * plain divergence. The number of tokens and the vocabulary must be known when the graph is traced.
 */
export interface HeadInput {
  /** `[tokens, width]`; widths of student and teacher may differ */
  hidden: Tensor;
  /** `[vocab, width]` output embedding */
  head: Tensor;
  /** `[vocab]` */
  bias?: Tensor;
}

/** A divergence by name, or any function of two log-probability matrices `[rows, vocab]` that gives `[rows]`. */
export type ChunkDivergence =
  | { kind: 'forward_kl' }
  | { kind: 'reverse_kl' }
  | { kind: 'jsd'; beta?: number }
  | { kind: 'custom'; divergence: (studentLogp: Tensor, teacherLogp: Tensor) => Tensor };

export interface ChunkOptions {
  /** T of both models. Results are not multiplied by T². Default 1. */
  temperature?: number;
  /** Rows per chunk. Default: {@link defaultChunk}. */
  chunk?: number;
}

/**
 * Rows per chunk: one `[chunk, vocab]` matrix near 32 MiB of float32, but at least 256 rows, and 512 where the head is
 * too large for a cache: each chunk reads the heads and rewrites the head's gradient.
 *
 * @param vocab number of classes
 * @returns a whole number of rows
 * @source none: a size for this library's buffers
 * @example
 * defaultChunk(1000) // => 8388
 */
export const defaultChunk = (vocab: number): number =>
  Math.max(vocab > 2 ** 16 ? 512 : 256, Math.floor(2 ** 23 / vocab));

/** Value `[rows]` of a chunk, and the gradient of each with respect to its student logits `[rows, vocab]`. */
interface Kernel {
  value: Tensor;
  logitGradient: Tensor;
}

/**
 * Σ_t w_t d_t over tokens of a divergence of the two heads' distributions, in one pass: the gradients are made chunk by
 * chunk beside the value, so that no product is done twice. Weights are mask over number of tokens, usually.
 *
 * @param divergence which one, and its parameter
 * @param student hidden `[tokens, width]`, head `[vocab, width]`
 * @param teacher hidden `[tokens, width']`, head `[vocab, width']`; constants
 * @param weights `[tokens]`, constants
 * @returns a scalar, nats
 * @source Hsu et al. 2024 (2410.10989), section 3.2 (fused linear cross-entropy), for divergences of two heads
 * @example
 * chunkedSum({ kind: 'forward_kl' }, { hidden: constant([[0]]), head: constant([[1], [0]]) }, { hidden: constant([[1]]), head: constant([[1], [0]]) }, constant([1])) // => 0.110944
 */
export function chunkedSum(
  divergence: ChunkDivergence,
  student: HeadInput,
  teacher: HeadInput,
  weights: Tensor,
  options: ChunkOptions = {},
): Tensor {
  const { temperature = 1 } = options;
  const frozen = freeze(teacher);
  const w = stopGradient(weights);
  let residuals: Tensor[] = [];
  const rule = customVjp({
    forward: (hidden, head, bias) => {
      const own = { hidden, head, bias };
      let [total, dHead, dBias]: (Tensor | undefined)[] = [];
      const dHidden: Tensor[] = [];
      for (const [from, to] of ranges(hidden, head, options)) {
        const before = [dHead, dHidden.at(-1), total];
        const rows = after(cut(own, from, to), before);
        const { value, logitGradient } = kernel(
          divergence,
          rows,
          after(cut(frozen, from, to), before),
          temperature,
        );
        const wc = slice(w, { starts: [from], ends: [to] });
        total = plus(total, sum(mul(wc, value)));
        const d = pullBack(logitGradient, mul(wc, 1 / temperature), rows);
        dHidden.push(d.hidden);
        dHead = plus(dHead, d.head);
        if (d.bias) dBias = plus(dBias, d.bias);
      }
      residuals = [concat(dHidden, 0), dHead!, ...(dBias ? [dBias] : [])];
      return total!;
    },
    backward: ({ grads: [g] }) => residuals.map((r) => mul(r, g!)),
  });
  return rule(...inputsOf(student))[0];
}

/**
 * The divergence of each token, un-reduced. The backward pass computes each chunk's logits a second time.
 *
 * @param divergence which one, and its parameter
 * @param student hidden `[tokens, width]`, head `[vocab, width]`
 * @param teacher hidden `[tokens, width']`, head `[vocab, width']`; constants
 * @returns `[tokens]` nats
 * @source Hsu et al. 2024 (2410.10989), section 3.2, with recomputation
 * @example
 * chunkedDivergence({ kind: 'reverse_kl' }, { hidden: constant([[0]]), head: constant([[1], [0]]) }, { hidden: constant([[1]]), head: constant([[1], [0]]) }) // => [0.120115]
 */
export function chunkedDivergence(
  divergence: ChunkDivergence,
  student: HeadInput,
  teacher: HeadInput,
  options: ChunkOptions = {},
): Tensor {
  const { temperature = 1 } = options;
  const frozen = freeze(teacher);
  const rule = customVjp({
    forward: (hidden, head, bias) => {
      const values: Tensor[] = [];
      for (const [from, to] of ranges(hidden, head, options)) {
        const before = [values.at(-1)];
        const rows = after(cut({ hidden, head, bias }, from, to), before);
        values.push(kernel(divergence, rows, after(cut(frozen, from, to), before), temperature).value);
      }
      return concat(values, 0);
    },
    backward: ({ inputs: [hidden, head, bias], grads: [g] }) => {
      const own = { hidden, head, bias };
      let [dHead, dBias]: (Tensor | undefined)[] = [];
      const dHidden: Tensor[] = [];
      for (const [from, to] of ranges(hidden, head, options)) {
        // also after the cotangent: an engine that merges equal nodes would keep the forward chunks alive
        const before = [g, dHead, dHidden.at(-1)];
        const rows = after(cut(own, from, to), before);
        const { logitGradient } = kernel(divergence, rows, after(cut(frozen, from, to), before), temperature);
        const gc = slice(g!, { starts: [from], ends: [to] });
        const d = pullBack(logitGradient, mul(gc, 1 / temperature), rows);
        dHidden.push(d.hidden);
        dHead = plus(dHead, d.head);
        if (d.bias) dBias = plus(dBias, d.bias);
      }
      return [concat(dHidden, 0), dHead, ...(dBias ? [dBias] : [])];
    },
  });
  return rule(...inputsOf(student))[0];
}

/** Value and logit gradient of a chunk. The named divergences share their intermediates; heads give finite logits. */
function kernel(
  divergence: ChunkDivergence,
  student: HeadInput,
  teacher: HeadInput,
  temperature: number,
): Kernel {
  const logits = (m: HeadInput): Tensor => {
    const x = linear(m.hidden, m.head, m.bias, { transW: true });
    return temperature === 1 ? x : mul(x, 1 / temperature);
  };
  const studentLogits = logits(student);
  const logp = logSoftmax(logits(teacher));
  if (divergence.kind === 'custom') {
    const own = identity(studentLogits);
    const value = divergence.divergence(logSoftmax(own), logp);
    return { value, logitGradient: gradients(sum(value), [own])[0] };
  }
  const logq = logSoftmax(studentLogits);
  const q = exp(logq);
  if (divergence.kind === 'forward_kl') {
    const p = exp(logp);
    return { value: sum(mul(p, sub(logp, logq)), -1), logitGradient: sub(q, p) };
  }
  // d/ds Σ q u with u's own dependence on q cancelling: q (u - Σ q u)
  const pull = (u: Tensor): Kernel => {
    const value = sum(mul(q, u), -1);
    return { value, logitGradient: mul(q, sub(u, expandDims(value, 1))) };
  };
  if (divergence.kind === 'reverse_kl') return pull(sub(logq, logp));
  const beta = divergence.beta ?? 0.5;
  if (beta === 0 || beta === 1)
    throw new DecantError('usage', 'the ends of the JSD are KL divergences', {
      seen: beta,
      fix: `use kind: '${beta === 0 ? 'forward_kl' : 'reverse_kl'}'`,
    });
  const p = exp(logp);
  const logm = logMass(add(mul(p, beta), mul(q, 1 - beta)));
  const own = pull(sub(logq, logm));
  const other = sum(mul(p, sub(logp, logm)), -1);
  return {
    value: add(mul(other, beta), mul(own.value, 1 - beta)),
    logitGradient: mul(own.logitGradient, 1 - beta),
  };
}

/** Gradients of a chunk from those of its logits, row i times `scale[i]`: the narrow matrices take the factors. */
function pullBack(logitGradient: Tensor, scale: Tensor, { hidden, head, bias }: HeadInput): HeadInput {
  const column = expandDims(scale, 1);
  return {
    hidden: mul(matmul(logitGradient, head), column),
    head: matmul(logitGradient, mul(hidden, column), { transA: true }),
    bias: bias && reshape(matmul(logitGradient, column, { transA: true }), bias.shape),
  };
}

const plus = (total: Tensor | undefined, x: Tensor): Tensor => (total ? add(total, x) : x);

const inputsOf = ({ hidden, head, bias }: HeadInput): Tensor[] =>
  bias ? [hidden, head, bias] : [hidden, head];

const freeze = ({ hidden, head, bias }: HeadInput): HeadInput => ({
  hidden: stopGradient(hidden),
  head: stopGradient(head),
  bias: bias && stopGradient(bias),
});

const cut = ({ hidden, head, bias }: HeadInput, from: number, to: number): HeadInput => ({
  hidden: slice(hidden, { starts: [from], ends: [to] }),
  head,
  bias,
});

/**
 * The same rows, to be computed after all of `before`: engines choose the order of independent nodes, and one that runs
 * the chunks side by side, or leaves their last products for the end, would hold every chunk at once.
 */
function after({ hidden, ...rest }: HeadInput, before: readonly (Tensor | undefined)[]): HeadInput {
  const firsts = before
    .filter((t): t is Tensor => t !== undefined)
    .map((t) => reshape(slice(t, { starts: t.shape.map(() => 0), ends: t.shape.map(() => 1) }), []));
  if (firsts.length === 0) return { hidden, ...rest };
  return {
    hidden: add(
      hidden,
      mul(
        firsts.reduce((x, y) => add(x, y)),
        0,
      ),
    ),
    ...rest,
  };
}

function ranges(hidden: Tensor, head: Tensor, { chunk }: ChunkOptions): [number, number][] {
  const [tokens, vocab] = [hidden.shape[0], head.shape[0]];
  if (hidden.rank !== 2 || isSymbolic(tokens) || isSymbolic(vocab))
    throw new DecantError('shape', 'chunks need hidden states [tokens, width] of a known number of tokens', {
      seen: hidden.toString(),
      fix: 'flatten batch and positions, and compile for concrete sizes',
    });
  const size = chunk ?? defaultChunk(vocab);
  const count = Math.max(1, Math.ceil(tokens / size));
  // chunks of equal size, the last one shorter
  return Array.from({ length: count }, (_, i) => [i * size, Math.min(tokens, (i + 1) * size)]);
}
