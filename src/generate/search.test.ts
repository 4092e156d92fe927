import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beamSearch } from './beam.ts';
import { contrastiveSearch } from './contrastive.ts';
import { decoderBeams } from './decoder-beam.ts';
import { generate } from './generate.ts';
import { logProbabilities, topEntries } from './sampling.ts';
import type { DecoderSession } from './session.ts';
import { openTiny, tinyGpt2 } from './testing/tiny.ts';

const prompt = [3, 7, 1];
let session: DecoderSession;
beforeAll(async () => {
  session = await openTiny(tinyGpt2(), { hidden: true });
});
afterAll(() => session.close());

const logpAfter = async (ids: readonly number[]): Promise<Float32Array> =>
  logProbabilities((await session.step([ids])).logits);

describe('decoderBeams', () => {
  it('equals the search without a cache', async () => {
    const options = { width: 4, maxLength: 6, eos: 11, lengthPenalty: 0.5 };
    const got = await decoderBeams(session, prompt, options);
    const want = await beamSearch({
      ...options,
      start: prompt,
      score: (prefixes) => Promise.all(prefixes.map(logpAfter)),
    });
    expect(got.map((b) => b.tokens)).toEqual(want.map((b) => b.tokens));
    got.forEach((b, i) => {
      expect(b.logp).toBeCloseTo(want[i].logp, 4);
    });
  });

  it('is greedy at width 1 and never worse than greedy in what it finds at width 8', async () => {
    const [[greedy]] = await generate(session, [prompt], { maxTokens: 6 });
    const [one] = await decoderBeams(session, prompt, { width: 1, maxLength: 6 });
    expect(one.tokens).toEqual(greedy.ids);
    const [best] = await decoderBeams(session, prompt, { width: 8, maxLength: 6 });
    expect(best.logp).toBeGreaterThanOrEqual(one.logp);
  });

  it('begins differently in every group when diversity is large', async () => {
    const beams = await decoderBeams(session, prompt, { width: 3, groups: 3, diversity: 100, maxLength: 4 });
    for (let t = 0; t < 4; t++) expect(new Set(beams.map((b) => b.tokens[t])).size).toBe(3);
  });
});

describe('contrastiveSearch', () => {
  it('is greedy without the penalty', async () => {
    const [[greedy]] = await generate(session, [prompt], { maxTokens: 8 });
    expect((await contrastiveSearch(session, prompt, { alpha: 0, maxTokens: 8 })).ids).toEqual(greedy.ids);
  });

  it('chooses by the formula, computed without a cache', async () => {
    const alpha = 0.6;
    const got = await contrastiveSearch(session, prompt, { k: 4, alpha, maxTokens: 5 });
    const hidden = async (ids: readonly number[]): Promise<number[][]> => {
      const { hidden: h } = await session.step([ids], { all: true });
      const width = h!.length / ids.length;
      return ids.map((_, i) => [...h!.subarray(i * width, (i + 1) * width)]);
    };
    const cos = (a: number[], b: number[]): number => {
      const dot = (x: number[], y: number[]): number => x.reduce((s, v, i) => s + v * y[i], 0);
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    };
    const ids = [...prompt];
    for (const chosen of got.ids) {
      const { ids: candidates, values } = topEntries(await logpAfter(ids), 4);
      const scores: number[] = [];
      for (const [i, v] of candidates.entries()) {
        const states = await hidden([...ids, v]);
        const own = states.pop()!;
        scores.push((1 - alpha) * Math.exp(values[i]) - alpha * Math.max(...states.map((s) => cos(own, s))));
      }
      expect(chosen).toBe(candidates[scores.indexOf(Math.max(...scores))]);
      ids.push(chosen);
    }
  });

  it('ends at an end token and needs hidden states', async () => {
    const free = await contrastiveSearch(session, prompt, { maxTokens: 6 });
    const eos = free.ids[3];
    const cut = await contrastiveSearch(session, prompt, { maxTokens: 6, eos: [eos] });
    expect(cut).toMatchObject({ ids: free.ids.slice(0, free.ids.indexOf(eos)), finish: 'eos' });
    const bare = await openTiny(tinyGpt2());
    await expect(contrastiveSearch(bare, prompt)).rejects.toThrow(/hidden states/);
    await bare.close();
  });
});
