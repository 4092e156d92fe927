import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ReportCost } from '../evaluate/report/data.ts';
import { type LedgerReading, readLedger } from '../teachers/api/ledger.ts';
import type { Teacher } from '../teachers/teacher.ts';

/** One teacher that was paid, in the terms of the report. */
type Spent = NonNullable<ReturnType<NonNullable<Teacher['spent']>>> & { readonly model?: string };

/** What a run's teachers cost: those behind APIs by the ledgers of its folder, one given by a program by its own word. */
export function costOfRun(folder: string, given?: Teacher): ReportCost {
  const own = given?.spent?.();
  const spent = [
    ...(own ? [own] : []),
    ...readdirSync(folder)
      .filter((name) => /^ledger.*\.jsonl$/.test(name))
      .sort()
      .flatMap((name) => readLedger(join(folder, name)) ?? [])
      .map(spentOf),
  ];
  if (spent.length === 0)
    return {
      rows: [{ item: 'Teacher', amount: '0', note: 'every model of this run worked on this machine' }],
      total: '0',
    };
  return { rows: spent.flatMap(rowsOf), total: totalOf(spent) };
}

const spentOf = ({ model, currency, totals }: LedgerReading): Spent => ({
  model,
  requests: totals.requests,
  tokens: totals.tokens,
  ...(currency === undefined ? {} : { money: totals.money, currency }),
});

const amount = (money: number, currency = ''): string => `${money.toFixed(4)} ${currency}`.trim();

function rowsOf({ model = 'Teacher', requests, tokens, money, currency }: Spent): ReportCost['rows'] {
  return [
    { item: `${model}, tokens in and out`, amount: tokens.toLocaleString('en-US') },
    {
      item: `${model}, answers`,
      amount: money === undefined ? 'unknown' : amount(money, currency),
      note: `${requests.toLocaleString('en-US')} requests, earlier parts of a resumed run included${money === undefined ? '; no price table was given' : ''}`,
    },
  ];
}

/** Sums per currency; unknown as soon as one price is. */
function totalOf(spent: readonly Spent[]): string {
  if (spent.some((s) => s.money === undefined)) return 'unknown';
  const sums = new Map<string, number>();
  for (const { money = 0, currency = '' } of spent) sums.set(currency, (sums.get(currency) ?? 0) + money);
  return [...sums].map(([currency, money]) => amount(money, currency)).join(' + ');
}
