import { describe, expect, it } from 'vitest';
import { KEY } from './testing/fault-run.ts';
import { faults, spoiling } from './testing/faulty-proxy.ts';
import { type KillReport, killRun } from './testing/kill-run.ts';

const concurrency = 16;
const common = { rate: 0.3, concurrency, life: 500 };
const lost = (r: KillReport): number => r.lines.filter((l) => l.t === 'lost' && l.possiblyPaid).length;

/** What must hold however a run went. */
function checkLedger(r: KillReport): void {
  const outcomes = new Map<number, number>();
  for (const l of r.lines) if (l.t !== 'ask') outcomes.set(l.id, (outcomes.get(l.id) ?? 0) + 1);
  for (const l of r.lines) if (l.t === 'ask') expect(outcomes.get(l.id), `request ${l.id}`).toBe(1);
  const mentions = (text: string): boolean => r.said.includes(text);
  expect(mentions(KEY) || mentions(KEY.slice(3, 20)), 'the key is in a file or in what was said').toBe(false);
  expect(mentions('chatcmpl-test')).toBe(true);
}

describe('kill -9', () => {
  it('at 20 random moments, with 30 % faults: every text once, and repeats are accounted for', async () => {
    const r = await killRun({ ...common, texts: 1500, kills: 20, seed: 11 });
    console.log(
      `kills ${r.kills}; answers repeated ${r.repeats}, injected losses ${r.losses}, spoilt ${r.spoilt}, late ${r.late}, possibly paid ${lost(r)}`,
    );
    expect(r.code).toBe(0);
    expect(r.kills).toBe(20);
    expect(r.labels).toEqual(r.wanted);
    expect(r.askedAgain).toBe(0);
    expect(r.repeats).toBeGreaterThan(0);
    expect(r.repeats).toBeLessThanOrEqual(r.losses + r.spoilt + r.late + r.kills * concurrency);
    // what was answered twice and not whole the first time stands in the ledger as possibly paid
    expect(r.repeats).toBeLessThanOrEqual(lost(r) + r.spoilt);
    checkLedger(r);
  });

  it('causes no repeat at a server that honours idempotency keys', async () => {
    const only = faults.filter((f) => !spoiling.includes(f));
    const r = await killRun({ ...common, texts: 1500, kills: 20, seed: 12, only, honoursIdempotency: true });
    expect(r.code).toBe(0);
    expect(r.kills).toBe(20);
    expect(r.labels).toEqual(r.wanted);
    expect(r.losses).toBeGreaterThan(100);
    expect(r.repeats).toBe(0);
    expect(r.askedAgain).toBe(0);
    checkLedger(r);
  });

  it('leaves the budget where it is', async () => {
    const budget = 60_000;
    const r = await killRun({ ...common, texts: 1500, kills: 6, seed: 13, budget });
    expect(r.code).toBe(3);
    const spent = r.lines.reduce(
      (n, l) => n + (l.t === 'paid' || l.t === 'lost' ? l.usage.input + l.usage.output : 0),
      0,
    );
    expect(spent).toBeGreaterThan(0.9 * budget);
    expect(spent).toBeLessThanOrEqual(budget + concurrency * r.largest);
    expect(r.charged).toBeLessThanOrEqual(budget + concurrency * r.largest);
    checkLedger(r);
  });
});
