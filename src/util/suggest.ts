/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`; Damerau-Levenshtein, restricted form. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, before[j - 2] + 1);
      next.push(cost);
    }
    before = row;
    row = next;
  }
  return row[b.length];
}

/** The candidate a misspelt word was probably meant to be, or undefined when none is near. Case, `-` and `_` are ignored. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const plain = (s: string): string => s.toLowerCase().replace(/[-_ ]/g, '');
  const seen = plain(word);
  let best: string | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const wanted = plain(candidate);
    let cost = editDistance(seen, wanted);
    // An abbreviation or a word with something added ("temp", "epochs_count") is near although many letters differ.
    if (seen.length >= 3 && wanted.length >= 3 && (wanted.startsWith(seen) || seen.startsWith(wanted)))
      cost = Math.min(cost, 1);
    if (cost < bestCost) {
      best = candidate;
      bestCost = cost;
    }
  }
  return bestCost <= Math.max(1, Math.floor(seen.length / 3)) ? best : undefined;
}

/** `did you mean "x"?`, or undefined. */
export const didYouMean = (word: string, candidates: readonly string[]): string | undefined => {
  const near = closest(word, candidates);
  return near === undefined ? undefined : `did you mean ${JSON.stringify(near)}?`;
};
