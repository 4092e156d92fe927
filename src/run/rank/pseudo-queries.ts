import { createRng } from '../../util/rng.ts';
import type { RankQuery } from './collection.ts';

/** Words of a sentence that can stand for a query. */
const FEWEST = 5;
const MOST = 40;

const sentencesOf = (text: string): string[] =>
  text
    .split(/(?<=[.!?])\s+|\n+/u)
    .map((s) => s.trim())
    .filter((s) => {
      const words = s.split(/\s+/u).length;
      return words >= FEWEST && words <= MOST;
    });

/**
 * Queries that nobody asked: up to `each` sentences of every document, drawn by the seed (the queries of the inverse cloze
 * task, Lee et al. 2019). They carry no judgement: which documents answer them is for the teacher to say.
 */
export function pseudoQueries(
  documents: readonly string[],
  each: number,
  seed: number | string,
): RankQuery[] {
  if (each === 0) return [];
  const rng = createRng(`pseudo/${seed}`);
  const drawn = documents.flatMap((text, cutFrom) =>
    rng
      .shuffle(sentencesOf(text))
      .slice(0, each)
      .map((sentence): [string, number] => [sentence, cutFrom]),
  );
  return [...new Map(drawn)].map(([text, cutFrom]) => ({
    text,
    cutFrom,
    grades: new Map(),
    triples: [],
    file: 'made',
    line: 0,
  }));
}
