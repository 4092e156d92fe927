import { DecantError } from '../util/errors.ts';

export interface BeamSearchOptions {
  /**
   * Log-probabilities of every next token `[vocab]` after each prefix (start tokens included). `parents` tells which
   * prefix of the call before each one continues by one token, for score functions that keep a cache.
   */
  score: (
    prefixes: readonly (readonly number[])[],
    parents: readonly number[],
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
  return (await groupedSearch(options, 1, 0))[0];
}

export interface DiverseBeamOptions extends BeamSearchOptions {
  /** Parts of the beam, which divide `width`: each is searched apart, but away from what earlier ones chose. */
  groups: number;
  /** Taken off a token's log-probability for each beam of an earlier group that chose it at this position; default 0.5. */
  diversity?: number;
}

/**
 * Diverse beam search with Hamming diversity: groups one after the other at each position. The diversity term decides
 * what is chosen and is no part of the log-probabilities. Returns one list per group, each best first.
 *
 * @source Vijayakumar et al. 2018 (1610.02424), algorithm 1
 */
export async function diverseBeamSearch(options: DiverseBeamOptions): Promise<Beam[][]> {
  const { groups, diversity = 0.5 } = options;
  if (!(Number.isInteger(groups) && groups > 0 && options.width % groups === 0))
    throw new DecantError('usage', 'the groups must divide the width of the beam', {
      at: 'groups',
      seen: `${groups} of ${options.width}`,
      allowed: `a divisor of ${options.width}`,
    });
  return groupedSearch(options, groups, diversity);
}

interface Grown extends Beam {
  /** Row of the last call that scored what it continues. */
  row: number;
}

async function groupedSearch(
  options: BeamSearchOptions,
  groups: number,
  diversity: number,
): Promise<Beam[][]> {
  const { score, start, width, maxLength } = options;
  if (!(Number.isInteger(width) && width > 0))
    throw new DecantError('usage', 'beam search needs a width', {
      at: 'width',
      seen: width,
      allowed: '1, 2, …',
    });
  const empty: Grown = { tokens: [], logp: 0, score: 0, finished: false, row: 0 };
  let beams: Grown[][] = Array.from({ length: groups }, () => [empty]);
  for (let length = 1; length <= maxLength; length++) {
    // equal beams of several groups (at the start: all) are scored once
    const open = [...new Set(beams.flat().filter((b) => !b.finished))];
    if (open.length === 0) break;
    const rows = [
      ...(await score(
        open.map((b) => [...start, ...b.tokens]),
        length === 1 ? [] : open.map((b) => b.row),
      )),
    ];
    const chosen = new Map<number, number>();
    beams = beams.map((group) => {
      const next = grow(
        group,
        (b) => open.indexOf(b),
        rows,
        length,
        width / groups,
        options,
        (token) => (diversity === 0 ? 0 : diversity * (chosen.get(token) ?? 0)),
      );
      for (const b of next) {
        const token = b.tokens[length - 1];
        if (token !== undefined) chosen.set(token, (chosen.get(token) ?? 0) + 1);
      }
      return next;
    });
  }
  return beams.map((group) => group.map(({ row: _, ...beam }) => beam));
}

/** The best `width` among finished beams and all continuations of open ones. */
function grow(
  beams: readonly Grown[],
  rowOf: (b: Grown) => number,
  rows: readonly ArrayLike<number>[],
  length: number,
  width: number,
  { eos, lengthPenalty = 0 }: BeamSearchOptions,
  penalty: (token: number) => number,
): Grown[] {
  const value = (logp: number): number => (lengthPenalty === 0 ? logp : logp / length ** lengthPenalty);
  const candidates: { beam: Grown; rank: number }[] = [];
  for (const beam of beams) {
    if (beam.finished) {
      candidates.push({ beam, rank: beam.score });
      continue;
    }
    const at = rowOf(beam);
    for (const token of bestTokens(rows[at], width, penalty)) {
      const logp = beam.logp + rows[at][token];
      candidates.push({
        beam: {
          tokens: [...beam.tokens, token],
          logp,
          score: value(logp),
          finished: token === eos,
          row: at,
        },
        rank: value(logp - penalty(token)),
      });
    }
  }
  // stable sort: order of creation breaks ties
  return candidates
    .sort((a, b) => b.rank - a.rank)
    .slice(0, width)
    .map((c) => c.beam);
}

/** The k most likely tokens with a probability above 0, by token. More cannot survive: a beam keeps at most k. */
function bestTokens(row: ArrayLike<number>, k: number, penalty: (token: number) => number): number[] {
  const tokens: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < row.length; i++) {
    if (row[i] === Number.NEGATIVE_INFINITY) continue;
    const value = row[i] - penalty(i);
    if (tokens.length === k && value <= values[k - 1]) continue;
    let at = tokens.length;
    while (at > 0 && values[at - 1] < value) at--;
    tokens.splice(at, 0, i);
    values.splice(at, 0, value);
    if (tokens.length > k) {
      tokens.pop();
      values.pop();
    }
  }
  return tokens.sort((a, b) => a - b);
}
