import { describe, expect, it } from 'vitest';
import { banditWorld, noisyRewards } from './noisy-bandit.ts';
import { pendulumEpisodes, pendulumExpert, pendulumStep, regulatorGains, torqueLogp } from './pendulum.ts';

const mean = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0) / x.length;

describe('the noisy bandit', () => {
  const options = { contexts: 400, items: 6, width: 8 };
  const { train, test } = banditWorld(1, options);

  it('is a function of its seed, with other contexts to test on', () => {
    expect(banditWorld(1, options).train.rewards).toEqual(train.rewards);
    expect(banditWorld(2, options).train.rewards).not.toEqual(train.rewards);
    expect(test.features).not.toEqual(train.features);
    // var = 1.5² · 1 + 0.3² · var(sin 2f), about 2.3
    const v = mean(train.rewards.map((r) => r ** 2)) - mean(train.rewards) ** 2;
    expect(v).toBeGreaterThan(1.4);
    expect(v).toBeLessThan(3.4);
  });

  it('spoils rewards as each kind says', () => {
    const noise = (kind: Parameters<typeof noisyRewards>[2], severity: 0 | 1 | 2) =>
      noisyRewards(train, 6, kind, severity, 7);
    const off = (a: Float64Array): number[] => [...a].map((x, i) => x - train.rewards[i]);
    const flipped = noise('adversarial', 2);
    const lists = Array.from({ length: 400 }, (_, c) => flipped[c * 6] === -train.rewards[c * 6]);
    const share = lists.filter(Boolean).length / 400;
    expect(Math.abs(share - 0.35)).toBeLessThan(0.08);
    lists.forEach((f, c) => {
      expect(flipped[c * 6 + 5]).toBe((f ? -1 : 1) * train.rewards[c * 6 + 5]);
    });
    const deviation = (a: Float64Array): number => Math.sqrt(mean(off(a).map((d) => d * d)));
    expect(deviation(noise('gauss', 0))).toBeGreaterThan(0.5);
    expect(deviation(noise('gauss', 2))).toBeGreaterThan(deviation(noise('gauss', 0)) * 2);
    // a Cauchy variable is within its scale half of the time
    const within = off(noise('cauchy', 1)).filter((d) => Math.abs(d) < 0.5).length / 2400;
    expect(Math.abs(within - 0.5)).toBeLessThan(0.05);
    const slope =
      mean(noise('shift', 2).map((x, i) => x * train.rewards[i])) / mean(train.rewards.map((r) => r * r));
    expect(Math.abs(slope - 0.2)).toBeLessThan(0.06);
  });
});

describe('the pendulum', () => {
  it('falls when nobody pushes and stands when the regulator does', async () => {
    let state: readonly [number, number] = [0.1, 0];
    for (let t = 0; t < 40; t++) state = pendulumStep(state, 0);
    expect(Math.abs(state[0])).toBeGreaterThan(1);
    const [k, d] = regulatorGains();
    state = [0.3, 0];
    for (let t = 0; t < 100; t++) state = pendulumStep(state, -k * state[0] - d * state[1]);
    expect(Math.abs(state[0])).toBeLessThan(0.01);
    const expert = pendulumExpert(0.5);
    const good = await pendulumEpisodes((s) => s.map(expert), { episodes: 30, seed: 1 });
    const idle = await pendulumEpisodes((s) => s.map(() => ({ mean: 0, std: 0.5 })), {
      episodes: 30,
      seed: 1,
    });
    expect(mean(good.returns)).toBeGreaterThan(95);
    expect(mean(idle.returns)).toBeLessThan(0);
    expect(idle.states.every(([a]) => Math.abs(a) <= Math.PI / 2)).toBe(true);
    const again = await pendulumEpisodes((s) => s.map(expert), { episodes: 30, seed: 1 });
    expect(again.returns).toEqual(good.returns);
  });

  it('gives densities that sum to one', () => {
    let total = 0;
    for (let u = -20; u < 20; u += 0.01) total += 0.01 * Math.exp(torqueLogp({ mean: 1, std: 2 }, u));
    expect(total).toBeCloseTo(1, 6);
  });
});
