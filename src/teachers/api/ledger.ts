import { DecantError } from '../../util/errors.ts';
import { type JsonlJournal, openJsonl, scanJsonl } from '../../util/node/jsonl.ts';
import { costOf, type Price, type Usage } from './prices.ts';

export interface Budget {
  /** In the currency of the price table. */
  money?: number;
  /** Tokens in and out together. */
  tokens?: number;
}

/** Lines of the ledger: every request has an `ask`, with a `currency` where the price is known, and a line that says what came of it. */
export type LedgerLine = {
  id: number;
  time: string;
} & (
  | { t: 'ask'; key: string; model: string; estimate: Usage; money: number; currency?: string }
  /** A whole answer; `estimated` where the server did not say how many tokens it took. */
  | { t: 'paid'; usage: Usage; money: number; estimated?: true }
  /** Refused, or never sent: costs nothing. */
  | { t: 'free'; why: string }
  /** The answer was lost on its way: counted at its estimate, because it may have been charged. */
  | { t: 'lost'; why: string; possiblyPaid: true; usage: Usage; money: number }
);

export interface LedgerTotals {
  requests: number;
  paid: number;
  free: number;
  /** Requests whose answers were lost: possibly paid. */
  lost: number;
  tokens: number;
  money: number;
  /** Of these, possibly paid. */
  lostTokens: number;
  lostMoney: number;
}

export interface Ledger {
  /**
   * Books a request before it is sent. Errors: `budget` when what is spent, what is in flight and this request
   * together are above a limit; nothing is sent then.
   */
  ask(key: string, model: string, estimate: Usage): number;
  paid(id: number, usage: Usage | undefined): void;
  free(id: number, why: string): void;
  lost(id: number, why: string): void;
  totals(): LedgerTotals;
  close(): void;
}

export interface LedgerOptions {
  budget?: Budget;
  price?: Price;
  currency?: string;
}

/**
 * Opens the ledger of a teacher, a JSONL file that is only appended to; what it holds counts against the budget.
 * Requests that have no outcome (the process was killed while they were in flight) are booked as possibly paid.
 * Without a path nothing is written.
 */
export function openLedger(path: string | undefined, options: LedgerOptions = {}): Ledger {
  const { budget = {}, price } = options;
  if (budget.money !== undefined && !price)
    throw new DecantError('recipe', 'a budget in money needs the price of the model', {
      at: 'teacher.prices',
      fix: 'add the model to the price table: models: { NAME: { input: …, output: … } }, per million tokens',
    });
  const account = openAccount();
  const { totals, open, count } = account;
  if (path !== undefined) for (const { value } of scanJsonl<LedgerLine>(path)) if (value?.t) count(value);
  const file: JsonlJournal<LedgerLine> | undefined = path === undefined ? undefined : openJsonl(path);
  type Without<T> = T extends LedgerLine ? Omit<T, 'time'> : never;
  const write = (line: Without<LedgerLine>): void => {
    const whole = { ...line, time: new Date().toISOString() } as LedgerLine;
    count(whole);
    file?.append(whole);
  };
  const lost = (id: number, why: string): void => {
    const asked = open.get(id);
    if (asked) write({ t: 'lost', id, why, possiblyPaid: true, usage: asked.estimate, money: asked.money });
  };
  for (const id of [...open.keys()]) lost(id, 'the process ended while the request was in flight');

  return {
    ask(key, model, estimate) {
      const money = costOf(price, estimate);
      const tokens = estimate.input + estimate.output;
      check('tokens', totals.tokens, account.inFlight.tokens, tokens, budget.tokens, 'tokens');
      check('money', totals.money, account.inFlight.money, money, budget.money, options.currency ?? 'USD');
      const id = account.last + 1;
      const priced = price && { currency: options.currency ?? 'USD' };
      write({ t: 'ask', id, key, model, estimate, money, ...priced });
      return id;
    },
    paid(id, usage) {
      const used = usage ?? open.get(id)?.estimate ?? { input: 0, output: 0 };
      write({
        t: 'paid',
        id,
        usage: used,
        money: costOf(price, used),
        ...(usage ? {} : { estimated: true as const }),
      });
    },
    free: (id, why) => write({ t: 'free', id, why }),
    lost,
    totals: () => ({ ...totals }),
    close: () => file?.close(),
  };
}

/** Adds up the lines of a ledger; `open` are requests without an outcome so far. */
function openAccount() {
  const totals: LedgerTotals = {
    requests: 0,
    paid: 0,
    free: 0,
    lost: 0,
    tokens: 0,
    money: 0,
    lostTokens: 0,
    lostMoney: 0,
  };
  const open = new Map<number, { estimate: Usage; money: number }>();

  const count = (line: LedgerLine): void => {
    account.last = Math.max(account.last, line.id);
    if (line.t === 'ask') {
      totals.requests++;
      open.set(line.id, { estimate: line.estimate, money: line.money });
      account.inFlight.tokens += line.estimate.input + line.estimate.output;
      account.inFlight.money += line.money;
      return;
    }
    const asked = open.get(line.id);
    if (!asked) return;
    open.delete(line.id);
    account.inFlight.tokens -= asked.estimate.input + asked.estimate.output;
    account.inFlight.money -= asked.money;
    if (open.size === 0) account.inFlight = { tokens: 0, money: 0 };
    totals[line.t]++;
    if (line.t === 'free') return;
    const tokens = line.usage.input + line.usage.output;
    totals.tokens += tokens;
    totals.money += line.money;
    if (line.t === 'lost') {
      totals.lostTokens += tokens;
      totals.lostMoney += line.money;
    }
  };
  const account = { totals, open, count, inFlight: { tokens: 0, money: 0 }, last: 0 };
  return account;
}

/** What a ledger says of a model; no currency where its price is not known. */
export interface LedgerReading {
  readonly model: string;
  readonly currency?: string;
  readonly totals: LedgerTotals;
}

/** Reads a ledger without touching it; undefined when it holds no request. */
export function readLedger(path: string): LedgerReading | undefined {
  const { totals, count } = openAccount();
  let first: { model: string; currency?: string } | undefined;
  for (const { value } of scanJsonl<LedgerLine>(path)) {
    if (!value?.t) continue;
    if (value.t === 'ask') first = { model: value.model, currency: value.currency ?? first?.currency };
    count(value);
  }
  return first && { ...first, totals };
}

function check(
  what: string,
  spent: number,
  inFlight: number,
  next: number,
  limit: number | undefined,
  unit: string,
): void {
  if (limit === undefined || spent + inFlight + next <= limit) return;
  const round = (x: number): number => Number(x.toPrecision(4));
  throw new DecantError('budget', `the budget is used up before everything was asked; all answers are kept`, {
    at: `teacher.budget.${what}`,
    seen: `${round(spent)} ${unit} spent, ${round(inFlight)} in flight, ${round(next)} for the next request`,
    allowed: `${limit} ${unit}`,
    fix: 'raise the budget and go on: what was answered is not asked again',
  });
}
