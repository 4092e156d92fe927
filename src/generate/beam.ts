import { DecantError } from '../util/errors.ts';

export interface BeamSearchOptions {
  /** Log-probabilities of every next token `[vocab]` after each prefix (start token included). */
  score: (
    prefixes: readonly (readonly number[])[],
  ) => Iterable<ArrayLike<number>> | Promise<Iterable<ArrayLike<number>>>;
  /** Tokens every hypothesis begins with; not part of the result. */
  start: readonly number[];
  /** A hypothesis ends with this token, which is part of the result; none: all run to `maxLength`. */
  eos?: number;
  width: number;
  /** Largest number of tokens in a result. */
  maxLength: number;
  /** Hypotheses are ordered by log-probability / length^penalty; 0 (raw totals) prefers short ones. Default 0. */
  lengthPenalty?: number;
}

export interface Beam {
  /** Tokens after the start, the end token included. */
  tokens: number[];
  /** Total log-probability in nats. */
  logp: number;
  /** What hypotheses are ordered by: logp / length^penalty. */
  score: number;
  finished: boolean;
}

/**
 * Beam search over a score function: the `width` best hypotheses, best first. Finished hypotheses stay in the race with
 * their score; the search ends when none of the kept ones can grow. Equal scores: the earlier hypothesis, then the
 * lower token, first.
 *
 * @source Kim and Rush 2016 (1606.07947), section 3.2 (the mode of the teacher's distribution by beam search)
 */
export async function beamSearch(options: BeamSearchOptions): Promise<Beam[]> {
  const { score, start, eos, width, maxLength, lengthPenalty = 0 } = options;
  if (!(Number.isInteger(width) && width > 0))
    throw new DecantError('usage', 'beam search needs a width', {
      at: 'width',
      seen: width,
      allowed: '1, 2, …',
    });
  const value = (logp: number, length: number): number =>
    lengthPenalty === 0 ? logp : logp / Math.max(1, length) ** lengthPenalty;
  let beams: Beam[] = [{ tokens: [], logp: 0, score: 0, finished: false }];
  for (let length = 1; length <= maxLength; length++) {
    const open = beams.filter((b) => !b.finished);
    if (open.length === 0) break;
    const rows = [...(await score(open.map((b) => [...start, ...b.tokens])))];
    const candidates: Beam[] = [];
    for (const beam of beams) {
      if (beam.finished) {
        candidates.push(beam);
        continue;
      }
      const row = rows[open.indexOf(beam)];
      for (const token of bestTokens(row, width)) {
        const logp = beam.logp + row[token];
        candidates.push({
          tokens: [...beam.tokens, token],
          logp,
          score: value(logp, length),
          finished: token === eos,
        });
      }
    }
    // stable sort: order of creation breaks ties
    beams = candidates.sort((a, b) => b.score - a.score).slice(0, width);
  }
  return beams;
}

/** The k most likely tokens with a probability above 0, by token. More cannot survive: a beam keeps at most k. */
function bestTokens(row: ArrayLike<number>, k: number): number[] {
  const tokens: number[] = [];
  for (let i = 0; i < row.length; i++) if (row[i] > Number.NEGATIVE_INFINITY) tokens.push(i);
  return tokens
    .sort((a, b) => row[b] - row[a] || a - b)
    .slice(0, k)
    .sort((a, b) => a - b);
}
