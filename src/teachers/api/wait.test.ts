import { describe, expect, it } from 'vitest';
import { createPace } from './pace.ts';
import { backoff, quotaPause, retryAfter, spanOf } from './wait.ts';

const headers = (h: Record<string, string>): Headers => new Headers(h);
const noon = Date.parse('2026-01-01T12:00:00Z');
const http = (ms: number): string => new Date(ms).toUTCString();

describe('retryAfter', () => {
  it('reads seconds, milliseconds and dates', () => {
    expect(retryAfter(headers({ 'retry-after': '7' }))).toBe(7000);
    expect(retryAfter(headers({ 'retry-after': '0.25' }))).toBe(250);
    expect(retryAfter(headers({ 'retry-after-ms': '40', 'retry-after': '7' }))).toBe(40);
    expect(retryAfter(headers({ 'retry-after': http(noon + 9000) }), noon)).toBe(9000);
  });

  it("measures dates by the server's own clock", () => {
    for (const skew of [-5, 0, 5].map((h) => h * 3_600_000)) {
      const answer = headers({ date: http(noon + skew), 'retry-after': http(noon + skew + 3000) });
      expect(retryAfter(answer, noon)).toBe(3000);
    }
  });

  it('ignores what makes no sense, and dates that are past', () => {
    expect(retryAfter(headers({}))).toBeUndefined();
    expect(retryAfter(headers({ 'retry-after': 'soon' }))).toBeUndefined();
    expect(retryAfter(headers({ 'retry-after': http(noon - 5000) }), noon)).toBe(0);
  });
});

describe('rate-limit headers', () => {
  it('reads spans', () => {
    expect(['1s', '6m0s', '20ms', '1h2m3.5s', '4', ''].map((t) => spanOf(t))).toEqual([
      1000,
      360_000,
      20,
      3_723_500,
      4000,
      undefined,
    ]);
    expect(spanOf('2026-01-01T12:00:05Z', noon)).toBe(5000);
    expect(spanOf('1x')).toBeUndefined();
  });

  it('pauses for the longer of two used-up quotas only', () => {
    expect(
      quotaPause(headers({ 'x-ratelimit-remaining-requests': '3', 'x-ratelimit-reset-requests': '9s' })),
    ).toBeUndefined();
    expect(
      quotaPause(
        headers({
          'x-ratelimit-remaining-requests': '0',
          'x-ratelimit-reset-requests': '2s',
          'x-ratelimit-remaining-tokens': '0',
          'x-ratelimit-reset-tokens': '300ms',
        }),
      ),
    ).toBe(2000);
  });
});

describe('pace', () => {
  it('doubles waits with jitter, up to the cap', () => {
    expect([0, 1, 2, 9].map((n) => backoff(n, 100, 1000, () => 1))).toEqual([100, 200, 400, 1000]);
    expect(backoff(2, 100, 1000, () => 0)).toBeCloseTo(40);
  });

  it('halves once per round and grows by one per round', () => {
    let time = 0;
    const pace = createPace(16, () => time);
    time = 10;
    pace.slower(5);
    pace.slower(6);
    pace.slower(9.9); // begun before the cut: the same round
    expect(pace.limit).toBe(8);
    pace.slower(10.5);
    expect(pace.limit).toBe(4);
    for (let i = 0; i < 4; i++) pace.faster();
    expect(pace.limit).toBe(4); // 4 + 1/4 + … is a little less than 5
    pace.faster();
    expect(pace.limit).toBe(5);
    for (let i = 0; i < 1000; i++) pace.faster();
    expect(pace.limit).toBe(16);
    for (let i = 0; i < 10; i++) pace.slower((time += 1));
    expect(pace.limit).toBe(1);
  });

  it('begins nothing while it holds, and never more than its limit', async () => {
    const pace = createPace(2);
    pace.hold(60);
    const begun = performance.now();
    let now = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 6 }, () =>
        pace.run(async () => {
          expect(performance.now() - begun).toBeGreaterThan(55);
          most = Math.max(most, ++now);
          await new Promise((done) => setTimeout(done, 2));
          now--;
        }),
      ),
    );
    expect(most).toBe(2);
  });
});
