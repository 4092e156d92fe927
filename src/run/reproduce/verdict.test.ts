import { describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../engine/node/engine.ts';
import { plannedRun, reproduce } from './reproduce.ts';
import { type Criterion, defineReproduction } from './types.ts';
import { judge, summarize, verdictOf } from './verdict.ts';

const what = { a: 'A', b: 'B', c: 'C' };
const runs = [
  { a: { x: 10 }, b: { x: 8 }, c: { x: 9 } },
  { a: { x: 12 }, b: { x: 8 }, c: { x: 9 } },
];
const arms = summarize(what, runs);
const criterion = (c: Partial<Criterion>): Criterion => ({
  says: '',
  metric: 'x',
  arm: 'a',
  against: ['b'],
  better: 'higher',
  by: { atLeast: 1 },
  role: 'main',
  ...c,
});

describe('verdicts', () => {
  it('mean and unbiased deviation over seeds; one seed has no deviation', () => {
    expect(arms.a.metrics.x).toEqual({ mean: 11, sd: Math.SQRT2, values: [10, 12] });
    expect(summarize(what, runs.slice(1)).a.metrics.x.sd).toBeNull();
  });

  it('compares with the best rival, in the direction of the metric, in units, shares and nearness', () => {
    expect(judge(criterion({ against: ['b', 'c'] }), arms)).toMatchObject({
      against: 'c',
      ahead: 2,
      aheadSd: Math.SQRT2,
      met: true,
    });
    expect(judge(criterion({ better: 'lower', against: ['c', 'b'] }), arms)).toMatchObject({
      against: 'b',
      ahead: -3,
      met: false,
    });
    expect(judge(criterion({ by: { atLeast: 3 } }), arms).met).toBe(true);
    expect(judge(criterion({ by: { atLeast: 3.01 } }), arms).met).toBe(false);
    expect(judge(criterion({ by: { share: 0.375 } }), arms).met).toBe(true);
    expect(judge(criterion({ by: { share: 0.38 } }), arms).met).toBe(false);
    expect(judge(criterion({ by: { within: 3.9 } }), arms).met).toBe(false);
    expect(judge(criterion({ by: { within: 4 } }), arms).met).toBe(true);
  });

  it('refuses arms and metrics that were not measured', () => {
    expect(() => judge(criterion({ arm: 'd' }), arms)).toThrow(/not measured/);
    expect(() => judge(criterion({ metric: 'y' }), arms)).toThrow(/not measured/);
  });

  it('only main criteria decide', () => {
    const met = judge(criterion({}), arms);
    const failed = judge(criterion({ by: { atLeast: 9 } }), arms);
    expect(verdictOf([met, met])).toBe('reproduced');
    expect(verdictOf([met, failed])).toBe('partly');
    expect(verdictOf([failed])).toBe('not');
    expect(verdictOf([met, { ...failed, role: 'secondary' }])).toBe('reproduced');
    expect(verdictOf([{ ...met, role: 'secondary' }, failed])).toBe('not');
  });
});

describe('a reproduction', () => {
  const asked: number[] = [];
  const r = defineReproduction({
    slug: 'made-up',
    paper: 'p',
    claim: 'c',
    data: [],
    settings: { steps: 5, width: 2 },
    quick: { steps: 1 },
    seeds: [3, 4],
    arms: what,
    metrics: { x: 'x' },
    criteria: [criterion({})],
    differs: [],
    async run(_, _settings, seed) {
      asked.push(seed);
      return runs[seed % 2];
    },
  });

  it('runs every seed with one set of settings and writes both down', async () => {
    const engine = createNodeEngine({ threads: 1 });
    const lines: string[] = [];
    const context = { engine, dataRoot: undefined, tell: (l: string) => void lines.push(l) };
    try {
      const card = await reproduce(r, context);
      expect(card).toMatchObject({ seeds: [3, 4], settings: { steps: 5, width: 2 }, verdict: 'reproduced' });
      expect(card.settingsHash).toBe(plannedRun(r, {}).hash);
      const quick = await reproduce(r, context, { quick: true });
      expect(quick).toMatchObject({ quick: true, seeds: [1001], settings: { steps: 1, width: 2 } });
      expect(asked).toEqual([3, 4, 1001]);
    } finally {
      await engine.close();
    }
  });

  it('quick and tuning runs never see a reported seed', () => {
    expect(plannedRun(r, { quick: true, seeds: 2 }).seeds).toEqual([1001, 1002]);
    expect(plannedRun(r, { tuning: true })).toMatchObject({
      seeds: [1001, 1002],
      settings: { steps: 5, width: 2 },
      quick: false,
    });
    expect(plannedRun(r, {})).toMatchObject({ seeds: [3, 4], reported: true });
  });

  it('only the settings as they stand on all seeds are what is reported', () => {
    for (const some of [{ quick: true, seeds: 2 }, { tuning: true }, { seeds: 1 }])
      expect(plannedRun(r, some).reported).toBe(false);
  });

  it('hashes whatever decides: settings, seeds, thresholds', () => {
    const hash = plannedRun(r, {}).hash;
    expect(plannedRun(r, { seeds: 1 }).hash).not.toBe(hash);
    expect(plannedRun(r, { quick: true, seeds: 2 }).hash).not.toBe(hash);
    expect(plannedRun({ ...r, criteria: [criterion({ by: { atLeast: 0 } })] }, {}).hash).not.toBe(hash);
    expect(() => plannedRun(r, { seeds: 3 })).toThrow(/1 to 2/);
  });
});
