import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DataReport } from '../data/report.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import type { ApiTeacherSettings } from '../run/api-teacher.ts';
import {
  type Capabilities,
  classifierQuestion,
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

/** A teacher behind an API before it is asked. */
export interface PlannedApi {
  model: string;
  address: string;
  /** Questions at most: rows of training, pool and test; repeated rows and stored answers are not asked. */
  questions?: number;
  inputTokens?: number;
  outputTokens?: number;
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
  report: DataReport,
  context: { baseDir: string; env: Readonly<Record<string, string | undefined>>; ask?: boolean },
): Promise<PlannedApi[] | undefined> {
  const given = recipe.teacher as { kind?: string; members?: { kind: string }[] } | undefined;
  const teachers = [given, ...(given?.members ?? [])].filter((t) => t?.kind === 'api');
  if (teachers.length === 0) return undefined;
  return Promise.all(
    teachers.map((t) => planOne(t as unknown as ApiTeacherSettings, recipe, report, context)),
  );
}

async function planOne(
  settings: ApiTeacherSettings,
  recipe: Recipe,
  report: DataReport,
  { baseDir, env, ask }: Parameters<typeof planApi>[2],
): Promise<PlannedApi> {
  // a key is needed to ask, not to plan
  const endpoint = endpointOf(ask ? settings : { ...settings, keyEnv: undefined }, env);
  const { model } = settings;
  const capabilities = ask ? await look(settings, endpoint, report.classes) : undefined;
  const asked: PlannedApi = { model, address: endpoint.baseURL, capabilities };
  if (recipe.task !== 'classify' || !report.classes) return asked;
  const { question } = classifierQuestion(model, capabilities ?? ASSUMED, {
    classes: report.classes,
    prompt: settings.prompt,
    maxTokens: settings.maxTokens,
    topLogprobs: settings.topLogprobs,
  });
  const sum = { input: 0, output: 0 };
  let questions = 0;
  for (const name of ['train', 'unlabeled', 'test'] as const) {
    const split = report.splits[name];
    if (!split) continue;
    const text = 'x'.repeat(Math.ceil(split.characters?.mean ?? 0));
    const { estimate } = question({ file: '', line: 0, text });
    questions += split.kept;
    sum.input += split.kept * estimate.input;
    sum.output += split.kept * estimate.output;
  }
  const prices = settings.prices === undefined ? undefined : readPrices(resolve(baseDir, settings.prices));
  const price = priceOf(prices, model);
  return {
    ...asked,
    questions,
    inputTokens: Math.round(sum.input),
    outputTokens: Math.round(sum.output),
    ...(price ? { money: costOf(price, sum), currency: prices!.currency } : {}),
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
  return planned.flatMap(
    ({ model, address, questions, inputTokens, outputTokens, money, currency, capabilities: c }) => [
      `asked   ${model} at ${address}${questions === undefined ? '' : `: at most ${whole(questions)} questions, about ${whole(inputTokens!)} tokens in and at most ${whole(outputTokens!)} out${money === undefined ? '' : `, ${money.toPrecision(3)} ${currency}`}`}`,
      c
        ? `        gives ${[...signalsOf(c).map((s) => (s === 'topk' ? `topk(${c.topk})` : s)), ...(c.embeddings === undefined ? [] : [`embeddings of width ${c.embeddings}`])].join(', ')}; ${c.chat ? 'chat' : 'completions'}, the shape of answers by ${c.schema === 'none' ? 'the prompt alone' : c.schema}`
        : '        what it can give is seen when the run starts, or now with --ask-teacher',
    ],
  );
}
