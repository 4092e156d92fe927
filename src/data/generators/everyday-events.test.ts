import { describe, expect, it } from 'vitest';
import { everydayEventOptions, everydayEvents, everydayWorld, isTrue } from './everyday-events.ts';

const rowsOf = (options: object = {}) => {
  const set = everydayEvents(everydayEventOptions.parse(options));
  return Object.fromEntries(Object.entries(set.splits).map(([n, make]) => [n, make()])) as Record<
    string,
    { prompt: string; response?: string; good?: boolean }[]
  >;
};

describe('builtin:everyday-events', () => {
  it('is a function of its seed', () => {
    expect(rowsOf()).toEqual(rowsOf());
    expect(rowsOf({ seed: 2 }).train).not.toEqual(rowsOf().train);
  });

  it('keeps test events from everything but the teacher', () => {
    const { train, unlabeled, rated, test, teacher } = rowsOf();
    const events = (rows: { prompt: string }[]) =>
      new Set(rows.map((r) => /<head> (.*?) <\/head>/.exec(r.prompt)![1]));
    const held = events(test);
    expect(held.size).toBe(16);
    for (const split of [train, unlabeled, rated])
      for (const e of events(split)) expect(held.has(e)).toBe(false);
    expect(events(teacher).size).toBe(80);
    expect(unlabeled).toHaveLength(64 * 4);
    expect(unlabeled.every((r) => r.response === undefined)).toBe(true);
  });

  it('tells the truth as often as it should: 0.72 and a fifth of the rest by chance', () => {
    const world = everydayWorld();
    const { rated, test } = rowsOf({ rated: 4000 });
    const share = rated.filter((r) => r.good).length / rated.length;
    expect(Math.abs(share - (0.72 + 0.28 * (6 / 30)))).toBeLessThan(0.03);
    const triple = (r: { prompt: string; response?: string }) => ({
      event: world.events.findIndex((e) => r.prompt.includes(` ${e.text} <`)),
      relation: world.relations.findIndex((x) => r.prompt.includes(`> ${x} <`)),
      tail: world.tails.indexOf(r.response!),
    });
    expect(test.every((r) => isTrue(world, triple(r)))).toBe(true);
    expect(rated.slice(0, 200).every((r) => isTrue(world, triple(r)) === r.good)).toBe(true);
    expect(new Set(world.events.map((e) => e.text)).size).toBe(80);
  });
});
