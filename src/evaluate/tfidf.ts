import { DecantError } from '../util/errors.ts';

/** Sparse matrix in compressed rows: entries of row i at `start[i] .. start[i + 1]`. */
export interface SparseMatrix {
  rows: number;
  cols: number;
  start: Int32Array;
  index: Int32Array;
  value: Float64Array;
}

export interface TfidfOptions {
  /** Shortest and longest word n-gram; default [1, 2]. */
  words?: readonly [number, number];
  /** Shortest and longest character n-gram inside word boundaries, or false (default). */
  chars?: readonly [number, number] | false;
  /** Features in fewer texts are left out; default 2. */
  minDocuments?: number;
  /** Features in a larger share of the texts are left out; default 1 (none). */
  maxShare?: number;
}

export interface Tfidf {
  features: ReadonlyMap<string, number>;
  /** ln((1 + n) / (1 + df)) + 1 per feature. */
  idf: Float64Array;
  options: Required<TfidfOptions>;
}

/**
 * Learns the features of TF-IDF from texts: word n-grams and, if asked, character n-grams, in the order they are
 * first seen, with smooth inverse document frequency (Salton & Buckley 1988; the smoothing of scikit-learn).
 */
export function fitTfidf(texts: readonly string[], options: TfidfOptions = {}): Tfidf {
  const full: Required<TfidfOptions> = {
    words: options.words ?? [1, 2],
    chars: options.chars ?? false,
    minDocuments: options.minDocuments ?? 2,
    maxShare: options.maxShare ?? 1,
  };
  const frequency = new Map<string, number>();
  for (const text of texts)
    for (const gram of new Set(grams(text, full))) frequency.set(gram, (frequency.get(gram) ?? 0) + 1);
  const features = new Map<string, number>();
  const idf: number[] = [];
  for (const [gram, df] of frequency) {
    if (df < full.minDocuments || df > full.maxShare * texts.length) continue;
    features.set(gram, idf.length);
    idf.push(Math.log((1 + texts.length) / (1 + df)) + 1);
  }
  if (idf.length === 0)
    throw new DecantError('data', 'no text feature is left for the linear baseline', {
      seen: `${texts.length} texts, minDocuments ${full.minDocuments}`,
      fix: 'give more texts or lower minDocuments',
    });
  return { features, idf: Float64Array.from(idf), options: full };
}

/** Rows of (1 + ln tf)·idf, scaled to length 1 within each family of features (words, characters). */
export function transformTfidf(tfidf: Tfidf, texts: readonly string[]): SparseMatrix {
  const start = new Int32Array(texts.length + 1);
  const index: number[] = [];
  const value: number[] = [];
  texts.forEach((text, i) => {
    const counts = new Map<number, number>();
    const family = new Map<number, number>();
    for (const gram of grams(text, tfidf.options)) {
      const f = tfidf.features.get(gram);
      if (f === undefined) continue;
      counts.set(f, (counts.get(f) ?? 0) + 1);
      family.set(f, gram.charCodeAt(0));
    }
    const squares = new Map<number, number>();
    const entries = [...counts].sort((a, b) => a[0] - b[0]);
    for (const entry of entries) {
      entry[1] = (1 + Math.log(entry[1])) * tfidf.idf[entry[0]];
      const kind = family.get(entry[0])!;
      squares.set(kind, (squares.get(kind) ?? 0) + entry[1] ** 2);
    }
    for (const [f, weight] of entries) {
      index.push(f);
      value.push(weight / Math.sqrt(squares.get(family.get(f)!)!));
    }
    start[i + 1] = index.length;
  });
  return {
    rows: texts.length,
    cols: tfidf.idf.length,
    start,
    index: Int32Array.from(index),
    value: Float64Array.from(value),
  };
}

/** The chosen rows of a sparse matrix, in the order given. */
export function takeRows(m: SparseMatrix, rows: ArrayLike<number>): SparseMatrix {
  const start = new Int32Array(rows.length + 1);
  for (let i = 0; i < rows.length; i++) start[i + 1] = start[i] + m.start[rows[i] + 1] - m.start[rows[i]];
  const index = new Int32Array(start[rows.length]);
  const value = new Float64Array(start[rows.length]);
  for (let i = 0; i < rows.length; i++) {
    index.set(m.index.subarray(m.start[rows[i]], m.start[rows[i] + 1]), start[i]);
    value.set(m.value.subarray(m.start[rows[i]], m.start[rows[i] + 1]), start[i]);
  }
  return { rows: rows.length, cols: m.cols, start, index, value };
}

/** n-grams of a text: words prefixed with `w`, characters with `c`, so that the families never meet. */
function* grams(text: string, options: Required<TfidfOptions>): Generator<string> {
  const words =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
  const [low, high] = options.words;
  for (let n = low; n <= high; n++)
    for (let i = 0; i + n <= words.length; i++)
      yield `w${n === 1 ? words[i] : words.slice(i, i + n).join(' ')}`;
  if (!options.chars) return;
  for (const word of words) {
    const letters = [...` ${word} `];
    for (let n = options.chars[0]; n <= options.chars[1]; n++)
      for (let i = 0; i + n <= letters.length; i++) yield `c${letters.slice(i, i + n).join('')}`;
  }
}
