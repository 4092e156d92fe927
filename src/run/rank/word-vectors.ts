import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import type { AnyModel } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { createRng } from '../../util/rng.ts';

/** What a collection says about its tokens. */
export interface WordKnowledge {
  /** `[vocabulary, width]`; tokens of no document and special tokens are 0. */
  readonly vectors: NDArray;
  /** Inverse document frequency `[vocabulary, 1]`, ln(1 + (n - df + ½) / (df + ½)); 0 where the vectors are. */
  readonly idf: NDArray;
}

/** A row of a sparse matrix: column and value. */
type Row = readonly (readonly [column: number, value: number])[];

/** How often the basis is multiplied by the matrix and its transpose: the leading directions are found to a few percent. */
const ITERATIONS = 4;

/**
 * Vectors of tokens by the documents they stand in (latent semantic analysis, Deerwester et al. 1990): a token is its
 * axis, as long as its inverse document frequency, projected onto the `width` leading directions of the documents. Means
 * of such vectors compare texts by their meaning in this collection before anything is trained.
 */
export function wordsOfCollection(
  tokenizer: Tokenizer,
  documents: readonly string[],
  width: number,
): WordKnowledge {
  const counts = documents.map((text) => {
    const of = new Map<number, number>();
    for (const id of tokenizer.encode(text, { addSpecial: false })) of.set(id, (of.get(id) ?? 0) + 1);
    return of;
  });
  const frequency = new Float64Array(tokenizer.size);
  for (const of of counts) for (const id of of.keys()) frequency[id]++;
  const idf = Float32Array.from(frequency, (df, id) =>
    df === 0 || tokenizer.specialIds.has(id) ? 0 : Math.log(1 + (documents.length - df + 0.5) / (df + 0.5)),
  );
  const basis = leadingDirections(
    counts.map((of) => unit([...of].map(([id, n]) => [id, (1 + Math.log(n)) * idf[id]]))),
    tokenizer.size,
    width,
  );
  const vectors = basis.map((x, i) => x * idf[Math.floor(i / width)]);
  return {
    vectors: ndarray(Float32Array.from(rescaled(vectors, width)), [tokenizer.size, width]),
    idf: ndarray(idf, [tokenizer.size, 1]),
  };
}

const unit = (row: Row): Row => {
  const length = Math.hypot(...row.map(([, x]) => x)) || 1;
  return row.map(([i, x]) => [i, x / length]);
};

/** Mean squared length 1 over the rows that are not 0, the size of freshly drawn vectors. */
function rescaled(vectors: Float64Array, width: number): Float64Array {
  let rows = 0;
  let total = 0;
  for (let r = 0; r < vectors.length; r += width) {
    const square = vectors.subarray(r, r + width).reduce((s, x) => s + x * x, 0);
    if (square > 0) rows++;
    total += square;
  }
  const scale = total > 0 ? Math.sqrt(rows / total) : 1;
  return vectors.map((x) => x * scale);
}

/** The leading right singular vectors of sparse rows, `[columns × width]`, by subspace iteration from a seeded start. */
function leadingDirections(rows: readonly Row[], columns: number, width: number): Float64Array {
  const rng = createRng('leading-directions');
  let basis: Float64Array = Float64Array.from({ length: columns * width }, () => rng.normal());
  for (let i = 0; i < ITERATIONS; i++) basis = orthonormal(timesGram(rows, basis, width), width);
  return basis;
}

/** AᵀA times a basis. */
function timesGram(rows: readonly Row[], basis: Float64Array, width: number): Float64Array {
  const out = new Float64Array(basis.length);
  const seen = new Float64Array(width);
  for (const row of rows) {
    seen.fill(0);
    for (const [i, x] of row) for (let k = 0; k < width; k++) seen[k] += x * basis[i * width + k];
    for (const [i, x] of row) for (let k = 0; k < width; k++) out[i * width + k] += x * seen[k];
  }
  return out;
}

/** The same span with orthonormal columns, by the eigenvectors of ZᵀZ; directions that are missing become 0. */
function orthonormal(z: Float64Array, width: number): Float64Array {
  const columns = new Matrix(z.length / width, width);
  for (let i = 0; i < z.length; i++) columns.set(Math.floor(i / width), i % width, z[i]);
  const { realEigenvalues: squares, eigenvectorMatrix } = new EigenvalueDecomposition(
    columns.transpose().mmul(columns),
    { assumeSymmetric: true },
  );
  const largest = Math.max(...squares);
  const scale = squares.map((s) => (s > 1e-12 * largest ? 1 / Math.sqrt(s) : 0));
  const turned = columns.mmul(eigenvectorMatrix);
  return Float64Array.from(z, (_, i) => turned.get(Math.floor(i / width), i % width) * scale[i % width]);
}

const TABLE = /(^|\.)word_embeddings\.weight$/;
const WEIGHTS = /(^|\.)term_weights\.weight$/;

/** Starting weights of a ranker from its collection: its table of tokens, and the weights of query terms where it has any. */
export function startFromCollection(
  model: AnyModel,
  tokenizer: Tokenizer,
  documents: readonly string[],
): Params<NDArray> {
  const tables = Object.entries(model.params).filter(([name]) => TABLE.test(name));
  const known = wordsOfCollection(tokenizer, documents, tables[0][1].shape[1]);
  const weights = Object.keys(model.params).filter((name) => WEIGHTS.test(name));
  return Object.fromEntries([
    ...tables.map(([name]) => [name, known.vectors]),
    ...weights.map((name) => [name, known.idf]),
  ]);
}
