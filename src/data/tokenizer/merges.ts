import { DecantError } from '../../util/errors.ts';

/** A distinct word of the corpus as symbol ids, with how often it occurs. */
export interface CountedWord {
  symbols: number[];
  count: number;
}

export interface MergeOptions {
  /** Stop when the vocabulary has this many entries. */
  size: number;
  /** Pairs seen less often than this are not merged. */
  minFrequency: number;
  /** The string of two joined symbols. */
  join: (left: string, right: string) => string;
}

interface Candidate {
  count: number;
  left: number;
  right: number;
}

/** Ids stay below 2^21, so that a pair is one exact number. */
const STRIDE = 2 ** 21;

/**
 * Learns byte-pair merges (Sennrich et al. 2016, algorithm 1): the most frequent neighbouring pair is joined until the
 * vocabulary is full; ties go to the pair of smaller ids. `vocab` grows in place; returns the pairs of ids, in order.
 */
export function learnMerges(
  words: CountedWord[],
  vocab: string[],
  options: MergeOptions,
): [number, number][] {
  if (options.size >= STRIDE) {
    throw new DecantError('usage', 'the vocabulary is too large', {
      seen: options.size,
      allowed: `below ${STRIDE}`,
    });
  }
  const ids = new Map(vocab.map((s, i) => [s, i]));
  const counts = new Map<number, number>();
  const places = new Map<number, number[]>(); // pair -> words that may hold it
  words.forEach((word, w) => {
    for (let i = 0; i + 1 < word.symbols.length; i++) {
      const pair = word.symbols[i] * STRIDE + word.symbols[i + 1];
      counts.set(pair, (counts.get(pair) ?? 0) + word.count);
      addPlace(places, pair, w);
    }
  });
  const heap = new CandidateHeap();
  for (const [pair, count] of counts) heap.push(candidate(pair, count));

  const merges: [number, number][] = [];
  while (vocab.length < options.size) {
    const top = heap.pop();
    if (!top) break;
    const pair = top.left * STRIDE + top.right;
    const count = counts.get(pair) ?? 0;
    if (count !== top.count) {
      if (count > 0) heap.push({ ...top, count }); // the entry was old: back with the true count
      continue;
    }
    if (count < Math.max(1, options.minFrequency)) break;
    const text = options.join(vocab[top.left], vocab[top.right]);
    let id = ids.get(text);
    if (id === undefined) {
      id = vocab.length;
      vocab.push(text);
      ids.set(text, id);
    }
    merges.push([top.left, top.right]);
    const grown = new Set<number>();
    for (const w of places.get(pair) ?? []) {
      mergeInWord(words[w], top.left, top.right, id, (changed, by) => {
        counts.set(changed, (counts.get(changed) ?? 0) + by);
        if (by > 0) {
          addPlace(places, changed, w);
          grown.add(changed);
        }
      });
    }
    counts.delete(pair);
    places.delete(pair);
    for (const p of grown) {
      const n = counts.get(p) ?? 0;
      if (n > 0) heap.push(candidate(p, n));
    }
  }
  return merges;
}

const candidate = (pair: number, count: number): Candidate => ({
  count,
  left: Math.floor(pair / STRIDE),
  right: pair % STRIDE,
});

function addPlace(places: Map<number, number[]>, pair: number, word: number): void {
  const list = places.get(pair);
  if (!list) places.set(pair, [word]);
  else if (list[list.length - 1] !== word) list.push(word);
}

/** Joins every `left, right` of a word, reporting how the counts of the neighbouring pairs change. */
function mergeInWord(
  word: CountedWord,
  left: number,
  right: number,
  id: number,
  change: (pair: number, by: number) => void,
): void {
  const { symbols, count } = word;
  let kept = 0; // symbols[0 .. kept) are done
  for (let i = 0; i < symbols.length; ) {
    if (symbols[i] !== left || symbols[i + 1] !== right) {
      symbols[kept++] = symbols[i++];
      continue;
    }
    if (kept > 0) {
      change(symbols[kept - 1] * STRIDE + left, -count);
      change(symbols[kept - 1] * STRIDE + id, count);
    }
    if (i + 2 < symbols.length) {
      change(right * STRIDE + symbols[i + 2], -count);
      change(id * STRIDE + symbols[i + 2], count);
    }
    symbols[kept++] = id;
    i += 2;
  }
  symbols.length = kept;
}

const before = (a: Candidate, b: Candidate): boolean =>
  a.count !== b.count ? a.count > b.count : a.left !== b.left ? a.left < b.left : a.right < b.right;

/** A binary heap, the best candidate on top. */
class CandidateHeap {
  private readonly items: Candidate[] = [];

  push(item: Candidate): void {
    const { items } = this;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(item, items[parent])) break;
      items[i] = items[parent];
      i = parent;
    }
    items[i] = item;
  }

  pop(): Candidate | undefined {
    const { items } = this;
    const top = items[0];
    const last = items.pop();
    if (!last || items.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1], items[child])) child++;
      if (!before(items[child], last)) break;
      items[i] = items[child];
      i = child;
    }
    items[i] = last;
    return top;
  }
}
