import { type Beam, type BeamSearchOptions, beamSearch, diverseBeamSearch } from './beam.ts';
import { logProbabilities } from './sampling.ts';
import type { Cache, DecoderSession } from './session.ts';

export interface DecoderBeamOptions extends Omit<BeamSearchOptions, 'score' | 'start'> {
  /** More than 1: diverse beam search; must divide `width`. */
  groups?: number;
  diversity?: number;
}

/**
 * Beam search (diverse beam search with `groups`) after a prompt: the prompt is run once, and the cache follows the
 * hypotheses as they are reordered. Best first; with groups, the groups one after the other.
 */
export async function decoderBeams(
  session: DecoderSession,
  prompt: readonly number[],
  options: DecoderBeamOptions,
): Promise<Beam[]> {
  let cache: Cache | undefined;
  const score = async (
    prefixes: readonly (readonly number[])[],
    parents: readonly number[],
  ): Promise<Float32Array[]> => {
    const result = cache
      ? await session.step(
          prefixes.map((p) => [p[p.length - 1]]),
          { cache: session.pick(cache, parents) },
        )
      : await session.step(prefixes);
    cache = result.cache;
    return prefixes.map((_, i) =>
      logProbabilities(result.logits.subarray(i * result.vocab, (i + 1) * result.vocab)),
    );
  };
  const { groups = 1, diversity, ...rest } = options;
  const room = (session.contextLength ?? Number.POSITIVE_INFINITY) - prompt.length + 1;
  const search = { ...rest, maxLength: Math.min(rest.maxLength, room), start: prompt, score };
  if (groups === 1) return beamSearch(search);
  return (await diverseBeamSearch({ ...search, groups, diversity })).flat();
}
