import { createRng } from '../util/rng.ts';
import { comparable } from './normalize.ts';

/**
 * Near-duplicate search: character 5-gram shingles, MinHash signatures and banded locality-sensitive hashing (Broder
 * 1997; Leskovec, Rajaraman & Ullman, ch. 3), every hit verified by the exact Jaccard similarity of the shingle sets.
 */
export interface NearIndex {
  /** Adds a text under a number of the caller's. */
  add(id: number, text: string): void;
  /** The most similar text at or above the threshold, or undefined. */
  find(text: string): { id: number; similarity: number } | undefined;
}

const HASHES = 96;
const GRAM = 5;

/** Sorted, distinct 32-bit hashes of the 5-grams of `text` (the whole text when it is shorter). */
export function shingles(text: string): Uint32Array {
  const plain = comparable(text);
  const n = Math.max(1, plain.length - GRAM + 1);
  const out = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    let h = 0x811c9dc5;
    const end = Math.min(plain.length, i + GRAM);
    for (let j = i; j < end; j++) h = Math.imul(h ^ plain.charCodeAt(j), 0x01000193);
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
    out[i] = (h ^ (h >>> 13)) >>> 0;
  }
  out.sort();
  let size = 0;
  for (let i = 0; i < n; i++) if (i === 0 || out[i] !== out[i - 1]) out[size++] = out[i];
  return out.slice(0, size);
}

/** |a ∩ b| / |a ∪ b| of two sorted sets. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  let i = 0;
  let j = 0;
  let both = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      both++;
      i++;
      j++;
    } else if (a[i] < b[j]) i++;
    else j++;
  }
  return both / (a.length + b.length - both);
}

const EMPTY = 0x7fffffff;
// For every bin, the order in which other bins are asked for a value when it is empty.
const borrow = Uint8Array.from({ length: HASHES * HASHES });
{
  const rng = createRng('minhash');
  for (let bin = 0; bin < HASHES; bin++)
    borrow.set(rng.shuffle(Array.from({ length: HASHES }, (_, i) => i)), bin * HASHES);
}

/**
 * MinHash signature [96] by one permutation (Li, Owen & Zhang 2012): a shingle's hash picks its bin and competes there;
 * an empty bin borrows from others in an order of its own (Shrivastava 2017), so that entries of two signatures agree
 * with a probability of their Jaccard similarity. Costs one operation per shingle instead of 96.
 */
export function signature(set: Uint32Array): Int32Array {
  const own = new Int32Array(HASHES).fill(EMPTY);
  for (const x of set) {
    const bin = x % HASHES;
    const value = (Math.imul(x, 0x9e3779b1) ^ (x >>> 15)) & 0x7ffffffe;
    if (value < own[bin]) own[bin] = value;
  }
  const out = own.slice();
  for (let bin = 0; bin < HASHES; bin++) {
    for (let i = bin * HASHES; out[bin] === EMPTY && i < (bin + 1) * HASHES; i++) {
      // The number of the attempt is part of the value: two texts must borrow at the same step to agree.
      if (own[borrow[i]] !== EMPTY) out[bin] = (own[borrow[i]] + Math.imul(i, 0x85ebca6b)) & 0x7ffffffe;
    }
  }
  return out;
}

/** Rows per band such that pairs at the threshold share a band with a probability above 0.99. */
const bandRows = (threshold: number): number =>
  threshold >= 0.85 ? 8 : threshold >= 0.7 ? 6 : threshold >= 0.55 ? 4 : 3;

/** An empty index; `threshold` in (0, 1] is the Jaccard similarity from which two texts count as near-duplicates. */
export function createNearIndex(threshold: number): NearIndex {
  const rows = bandRows(threshold);
  const bands = HASHES / rows;
  const tables = Array.from({ length: bands }, () => new Map<number, number[]>());
  const sets: Uint32Array[] = [];
  const ids: number[] = [];
  // A text is often looked up and then added: the second use takes the hashes from here.
  let last: { text: string; set: Uint32Array; keys: Int32Array } | undefined;

  const hashed = (text: string) => {
    if (last?.text === text) return last;
    const set = shingles(text);
    const sig = signature(set);
    const keys = new Int32Array(bands);
    for (let b = 0; b < bands; b++) {
      let h = 0x811c9dc5;
      for (let r = 0; r < rows; r++) h = Math.imul(h ^ sig[b * rows + r], 0x01000193) ^ (h >>> 17);
      keys[b] = h;
    }
    return (last = { text, set, keys });
  };

  return {
    add(id, text) {
      const { set, keys } = hashed(text);
      const at = sets.push(set) - 1;
      ids.push(id);
      for (let b = 0; b < bands; b++) {
        const bucket = tables[b].get(keys[b]);
        if (bucket) bucket.push(at);
        else tables[b].set(keys[b], [at]);
      }
    },
    find(text) {
      const { set, keys } = hashed(text);
      const seen = new Set<number>();
      let best: { id: number; similarity: number } | undefined;
      for (let b = 0; b < bands; b++) {
        for (const at of tables[b].get(keys[b]) ?? []) {
          if (seen.has(at)) continue;
          seen.add(at);
          // Sizes alone bound the similarity; most candidates end here.
          const other = sets[at];
          const bound = Math.min(set.length, other.length) / Math.max(set.length, other.length);
          if (bound < threshold || (best && bound <= best.similarity)) continue;
          const similarity = jaccard(set, other);
          if (similarity >= threshold && (!best || similarity > best.similarity))
            best = { id: ids[at], similarity };
        }
      }
      return best;
    },
  };
}
