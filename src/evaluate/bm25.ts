/** Documents with their scores, best first. */
export interface Hits {
  readonly documents: Int32Array;
  readonly scores: Float32Array;
}

export interface Bm25 {
  /** The `k` best documents of a query; fewer when fewer share a word with it. Ties: the earlier document first. */
  search(query: string, k: number): Hits;
}

export interface Bm25Options {
  /** How fast repeated words stop counting. Default 1.2. */
  k1?: number;
  /** How much long documents are held back, 0 to 1. Default 0.75. */
  b?: number;
}

const wordsOf = (text: string): string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];

/**
 * An index over documents by BM25, Σ_w idf(w) · tf (k1 + 1) / (tf + k1 (1 - b + b · length / mean length)), with
 * idf = ln(1 + (n - df + ½) / (df + ½)) (Robertson & Zaragoza 2009; the idf of Lucene, never negative). Words are
 * lower-cased runs of letters and digits; there are no stop words and no stemming.
 */
export function createBm25(documents: readonly string[], { k1 = 1.2, b = 0.75 }: Bm25Options = {}): Bm25 {
  const postings = new Map<string, { document: number; count: number }[]>();
  const lengths = new Int32Array(documents.length);
  documents.forEach((text, document) => {
    const words = wordsOf(text);
    lengths[document] = words.length;
    const counts = new Map<string, number>();
    for (const w of words) counts.set(w, (counts.get(w) ?? 0) + 1);
    for (const [w, count] of counts) {
      const list = postings.get(w);
      if (list) list.push({ document, count });
      else postings.set(w, [{ document, count }]);
    }
  });
  const usual = lengths.reduce((a, n) => a + n, 0) / Math.max(1, documents.length);
  return {
    search(query, k) {
      const scores = new Map<number, number>();
      for (const word of wordsOf(query)) {
        const list = postings.get(word);
        if (!list) continue;
        const idf = Math.log(1 + (documents.length - list.length + 0.5) / (list.length + 0.5));
        for (const { document, count } of list) {
          const held = k1 * (1 - b + (b * lengths[document]) / usual);
          scores.set(document, (scores.get(document) ?? 0) + (idf * count * (k1 + 1)) / (count + held));
        }
      }
      const best = [...scores].sort((x, y) => y[1] - x[1] || x[0] - y[0]).slice(0, k);
      return {
        documents: Int32Array.from(best, ([d]) => d),
        scores: Float32Array.from(best, ([, s]) => s),
      };
    },
  };
}

/** The `k` best of scores over all documents, best first; ties: the earlier one first. */
export function bestOf(scores: ArrayLike<number>, k: number): Hits {
  // a heap whose root is the worst of the kept ones
  const kept: number[] = [];
  const worse = (a: number, b: number): boolean =>
    scores[a] < scores[b] || (scores[a] === scores[b] && a > b);
  const sink = (from: number): void => {
    for (let at = from; ; ) {
      let worst = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < kept.length && worse(kept[child], kept[worst])) worst = child;
      if (worst === at) return;
      [kept[at], kept[worst]] = [kept[worst], kept[at]];
      at = worst;
    }
  };
  const size = Math.min(k, scores.length);
  for (let i = 0; i < scores.length; i++) {
    if (kept.length < size) {
      kept.push(i);
      if (kept.length === size) for (let at = size >> 1; at >= 0; at--) sink(at);
    } else if (size > 0 && worse(kept[0], i)) {
      kept[0] = i;
      sink(0);
    }
  }
  kept.sort((a, b) => (worse(a, b) ? 1 : -1));
  return { documents: Int32Array.from(kept), scores: Float32Array.from(kept, (i) => scores[i]) };
}
