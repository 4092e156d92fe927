import { describe, expect, it } from 'vitest';
import type { StepContext, TextRecord } from '../data/steps/step.ts';
import { createNodeEngine } from '../engine/node/engine.ts';
import { rocArea } from '../evaluate/precision-recall.ts';
import { createRng } from '../util/rng.ts';
import { criticIds, priorLogit, trainCritic } from './critic.ts';
import { criticCutoff, criticStep, hashedWords, mismatched, splitRated } from './critic-step.ts';

const colours = ['red', 'green', 'blue', 'grey', 'pink', 'gold'];
/** Good rows say their prompt's colour, bad ones another. */
const ratings = (n: number, seed: string): TextRecord[] => {
  const rng = createRng(seed);
  return Array.from({ length: n }, (_, i) => {
    const c = rng.int(colours.length);
    const good = rng.uniform() < 0.7;
    const said = good ? c : (c + 1 + rng.int(colours.length - 1)) % colours.length;
    return {
      file: 'ratings',
      line: i + 1,
      prompt: `thing ${i} is ${colours[c]}`,
      response: `so ${colours[said]}`,
      good,
    };
  });
};

describe('the critic', () => {
  it('starts at the prior, learns, and is the same for the same seed', async () => {
    const engine = createNodeEngine({ threads: 1 });
    try {
      const rng = createRng('critic');
      const rows = Array.from({ length: 200 }, () => [rng.int(5), 5 + rng.int(5)]);
      const labels = rows.map(([a, b]) => (b - 5 === a ? 1 : 0));
      const ids = criticIds(rows.map((r) => r.map((x) => [x])));
      expect(ids.shape).toEqual([200, 2, 1]);
      const config = {
        parts: 2,
        vocabulary: 10,
        width: 8,
        hidden: 32,
        activation: 'relu',
        compare: true,
        dropout: 0,
        prior: 0.77,
      } as const;
      const train = (steps: number) =>
        trainCritic(engine, config, { steps, batch: 50, lr: 1e-2, weightDecay: 0 }, { ids, labels }, 1);
      const fresh = await train(0);
      expect(Number(fresh.params['output.bias'].data[0])).toBeCloseTo(Math.log(0.77 / 0.23), 6);
      expect(priorLogit(0.5)).toBe(0);
      const critic = await train(150);
      const scores = await critic.score(ids);
      expect(rocArea(scores, labels)).toBeGreaterThan(0.95);
      expect([...(await (await train(150)).score(ids))]).toEqual([...scores]);
    } finally {
      await engine.close();
    }
  });

  it('keeps what fits, removes what does not, and reports how sure it is', async () => {
    const engine = createNodeEngine({ threads: 1 });
    try {
      const rated = ratings(900, 'rated');
      const candidates = ratings(200, 'candidates');
      const context: StepContext = { seed: 1, held: [], given: [], pool: [], rated, engine };
      const options = criticStep.options.parse({
        recall: 0.8,
        hidden: 64,
        width: 16,
        buckets: 512,
        epochs: 12,
        lr: 5e-3,
      });
      const r = await criticStep.run(candidates, options as never, context);
      const share = (rows: readonly TextRecord[]): number => rows.filter((x) => x.good).length / rows.length;
      expect(share(candidates)).toBeLessThan(0.75);
      expect(share(r.kept)).toBeGreaterThan(0.9);
      expect(r.kept.length + r.removed.length).toBe(200);
      expect(r.figures!.auc).toBeGreaterThan(0.85);
      expect(r.removed[0].reason).toMatch(/^score 0\.\d+, cutoff 0\.\d+$/);
      await expect(criticStep.run(candidates, options as never, { ...context, rated: [] })).rejects.toThrow(
        /data.rated/,
      );
    } finally {
      await engine.close();
    }
  });

  it('chooses the cutoff as the mean of two, and splits by prompt', () => {
    const scored = { scores: [0.9, 0.8, 0.6, 0.4], labels: [1, 0, 1, 1] };
    const other = { scores: [0.7, 0.5, 0.3, 0.2], labels: [1, 1, 0, 1] };
    // from below, the first recall of at most 0.7: 0.6 on the first, 0.3 on the second
    expect(criticCutoff(scored, other, 0.7).cutoff).toBeCloseTo(0.45, 12);
    const rated = ratings(300, 'split').map((r) => ({
      ...r,
      prompt: r.prompt!.replace(/\d+/, (d) => String(Number(d) % 30)),
    }));
    const { train, validation, test } = splitRated(rated, [0.1, 0.1], 's');
    const prompts = [train, validation, test].map((p) => new Set(p.map((r) => r.prompt)));
    expect(train.length + validation.length + test.length).toBe(300);
    for (const p of prompts[1]) expect(prompts[0].has(p) || prompts[2].has(p)).toBe(false);
  });

  it('makes bad rows from good ones where nobody rated', () => {
    const rows = mismatched(ratings(20, 'm'), 's');
    expect(rows).toHaveLength(40);
    expect(rows.map((r) => r.good)).toEqual(rows.map((_, i) => i % 2 === 0));
    for (let i = 0; i < 40; i += 2) {
      expect(rows[i + 1].response).toBe(rows[i].response);
      expect(rows[i + 1].prompt).not.toBe(rows[i].prompt);
    }
    expect(mismatched([{ file: 'f', line: 1, prompt: 'only', response: 'one' }], 's')).toEqual([]);
    expect(hashedWords('Yes, it is!', 64).every((h) => h >= 0 && h < 64)).toBe(true);
    expect(hashedWords('a b', 1 << 30)).toHaveLength(3);
  });
});
