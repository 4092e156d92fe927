import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { PreparedData } from '../data/prepare.ts';
import { methods } from '../methods/index.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import type { ApiTeacherSettings } from '../run/api-teacher.ts';
import {
  type Capabilities,
  costOf,
  createApiClient,
  endpointOf,
  openLedger,
  priceOf,
  probe,
  probeEmbeddings,
  readPrices,
  signalsOf,
} from '../teachers/api/index.ts';
import { openSignalStore } from '../teachers/store/index.ts';
import { whole } from './io.ts';
import { apiTeachersOf } from './plan-cost.ts';
import { type PlannedQuestions, plannedQuestions } from './plan-questions.ts';

/** A teacher behind an API before it is asked. */
export interface PlannedApi {
  model: string;
  address: string;
  /** What it is asked at most, by kind: repeated rows and stored answers are not asked. */
  parts: PlannedQuestions[];
  /** Sums over the parts. */
  questions: number;
  inputTokens: number;
  outputTokens: number;
  /** By the recipe's price table. */
  money?: number;
  currency?: string;
  /** What it was seen to do, and the width of its embeddings where it gives any; only when it was asked. */
  capabilities?: Capabilities & { embeddings?: number };
}

/** What is assumed of an endpoint that is not asked. */
const ASSUMED: Capabilities = { chat: true, completions: false, topk: 5, schema: 'json_schema' };

/** What the recipe's teachers behind APIs would be asked and cost; `ask` puts a few short questions to each. */
export async function planApi(
  recipe: Recipe,
  data: PreparedData,
  context: { baseDir: string; env: Readonly<Record<string, string | undefined>>; ask?: boolean },
): Promise<PlannedApi[]> {
  return Promise.all(apiTeachersOf(recipe).map((t) => planOne(t, recipe, data, context)));
}

async function planOne(
  settings: ApiTeacherSettings,
  recipe: Recipe,
  data: PreparedData,
  { baseDir, env, ask }: Parameters<typeof planApi>[2],
): Promise<PlannedApi> {
  // a key is needed to ask, not to plan
  const endpoint = endpointOf(ask ? settings : { ...settings, keyEnv: undefined }, env);
  const { model } = settings;
  const capabilities = ask ? await look(settings, endpoint, data.classes) : undefined;
  const parts = await plannedQuestions({
    settings,
    recipe,
    data,
    method: methods[recipe.method.name],
    capabilities: capabilities ?? ASSUMED,
  });
  const sum = (of: 'questions' | 'inputTokens' | 'outputTokens'): number =>
    parts.reduce((n, p) => n + p[of], 0);
  const [questions, input, output] = [sum('questions'), sum('inputTokens'), sum('outputTokens')];
  const prices = settings.prices === undefined ? undefined : readPrices(resolve(baseDir, settings.prices));
  const price = priceOf(prices, model);
  return {
    model,
    address: endpoint.baseURL,
    parts,
    questions,
    inputTokens: input,
    outputTokens: output,
    ...(price ? { money: costOf(price, { input, output }), currency: prices!.currency } : {}),
    ...(capabilities ? { capabilities } : {}),
  };
}

/** Asks the endpoint what it can do; the answers are thrown away. */
async function look(
  settings: ApiTeacherSettings,
  endpoint: ReturnType<typeof endpointOf>,
  classes: readonly string[] | undefined,
): Promise<PlannedApi['capabilities']> {
  const folder = mkdtempSync(join(tmpdir(), 'decant-plan-'));
  const store = openSignalStore(folder, { write: true });
  const ledger = openLedger(undefined, {});
  try {
    const client = createApiClient({
      endpoint,
      model: settings.model,
      store,
      ledger,
      retries: 1,
      timeout: 60,
    });
    const embeddings = await probeEmbeddings(client);
    const seen = await probe(client, settings.topLogprobs ?? 20, classes);
    return { ...seen, ...(embeddings === undefined ? {} : { embeddings }) };
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** For people: what is asked, what it costs, what it can do. */
export function showApi(planned: readonly PlannedApi[]): string[] {
  return planned.flatMap((p) => {
    const { capabilities: c, money, currency } = p;
    const price =
      money === undefined ? ', at no known price (teacher.prices)' : `, ${money.toPrecision(3)} ${currency}`;
    return [
      `asked   ${p.model} at ${p.address}: at most ${whole(p.questions)} questions, about ${whole(p.inputTokens)} tokens in and at most ${whole(p.outputTokens)} out${price}`,
      ...(p.parts.length > 1
        ? [`        ${p.parts.map((q) => `${q.what} ${whole(q.questions)}`).join(', ')}`]
        : []),
      c
        ? `        gives ${[...signalsOf(c).map((s) => (s === 'topk' ? `topk(${c.topk})` : s)), ...(c.embeddings === undefined ? [] : [`embeddings of width ${c.embeddings}`])].join(', ')}; ${c.chat ? 'chat' : 'completions'}, the shape of answers by ${c.schema === 'none' ? 'the prompt alone' : c.schema}`
        : '        what it can give is seen when the run starts, or now with --ask-teacher',
    ];
  });
}
