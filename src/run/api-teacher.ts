import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TextTeacher } from '../data/steps/step.ts';
import type { Example } from '../data/types.ts';
import { compileSchema, type JsonSchema } from '../generate/json-schema.ts';
import {
  type ApiClassifier,
  type ApiClient,
  answerByBatch,
  apiClassifier,
  apiEmbedder,
  apiTextTeacher,
  type Budget,
  type Capabilities,
  createApiClient,
  type Endpoint,
  endpointOf,
  type Ledger,
  openLedger,
  type PriceTable,
  priceOf,
  probe,
  probeEmbeddings,
  readPrices,
} from '../teachers/api/index.ts';
import type { SignalStore } from '../teachers/store/index.ts';
import type { Teacher } from '../teachers/teacher.ts';
import { DecantError } from '../util/errors.ts';
import { TOP_LOGPROBS } from './api-knowledge.ts';
import type { RunContext } from './context.ts';

/** `teacher: { kind: api }`, as the recipe's schema leaves it. */
export interface ApiTeacherSettings {
  provider?: string;
  baseURL?: string;
  model: string;
  keyEnv?: string;
  signals?: readonly string[];
  topLogprobs?: number;
  prompt?: string;
  temperature?: number;
  maxTokens?: number;
  concurrency?: number;
  timeout?: number;
  retries?: number;
  budget?: Budget;
  prices?: string;
  transport?: 'requests' | 'batch';
  schema?: string | JsonSchema;
}

export interface OpenedApiTeacher {
  readonly endpoint: Endpoint;
  readonly classifier: ApiClassifier;
  readonly capabilities: Capabilities;
  readonly ledger: Ledger;
  readonly prices: PriceTable | undefined;
}

/** Opens a teacher behind an API as a classifier; answers go into the store, costs into the ledger. */
export async function openApiTeacher(
  settings: ApiTeacherSettings,
  context: {
    classes: readonly string[];
    store: SignalStore;
    ledger: string;
    /** Relative paths start here. */
    baseDir: string;
    env: Readonly<Record<string, string | undefined>>;
    /** Declared instead of probed. */
    capabilities?: Capabilities;
  },
): Promise<OpenedApiTeacher> {
  const endpoint = endpointOf(settings, context.env);
  const prices =
    settings.prices === undefined ? undefined : readPrices(resolve(context.baseDir, settings.prices));
  const ledger = openLedger(context.ledger, {
    budget: settings.budget,
    price: priceOf(prices, settings.model),
    currency: prices?.currency,
  });
  try {
    const client = createApiClient({
      endpoint,
      model: settings.model,
      store: context.store,
      ledger,
      concurrency: settings.concurrency,
      timeout: settings.timeout,
      retries: settings.retries,
    });
    const labelsOnly = settings.signals !== undefined && !settings.signals.includes('topk');
    const wanted = labelsOnly ? 0 : (settings.topLogprobs ?? 20);
    const capabilities = context.capabilities ?? (await probe(client, wanted, context.classes));
    const classifier = apiClassifier(client, capabilities, {
      classes: context.classes,
      prompt: settings.prompt,
      temperature: settings.temperature,
      maxTokens: settings.maxTokens,
      topLogprobs: wanted,
    });
    return { endpoint, classifier, capabilities, ledger, prices };
  } catch (error) {
    ledger.close();
    throw error;
  }
}

/** Where an endpoint of a run is described, and which file its costs go to. */
const ownSettings = (ctx: RunContext): ApiTeacherSettings =>
  ctx.recipe.teacher as unknown as ApiTeacherSettings;
const LEDGER = 'ledger.jsonl';

/** A client with the run's store and a ledger. */
function runClient(
  ctx: RunContext,
  settings: ApiTeacherSettings,
  ledgerFile: string,
): { client: ApiClient; ledger: Ledger } {
  const endpoint = endpointOf(settings, process.env);
  const prices =
    settings.prices === undefined ? undefined : readPrices(resolve(ctx.baseDir, settings.prices));
  const ledger = openLedger(join(ctx.folder.path, ledgerFile), {
    budget: settings.budget,
    price: priceOf(prices, settings.model),
    currency: prices?.currency,
  });
  const { model, concurrency, timeout, retries } = settings;
  const client = createApiClient({
    endpoint,
    model,
    store: ctx.signals,
    ledger,
    concurrency,
    timeout,
    retries,
  });
  return { client, ledger };
}

/** Closes the ledger and writes its totals down. */
const closing = (ctx: RunContext, ledger: Ledger) => async (): Promise<void> => {
  ctx.journal.event('teacher-cost', { ...ledger.totals() });
  ledger.close();
};

/** The schema of a recipe, inline or from its file. Errors: `recipe` for a file that is no schema. */
function schemaOf(given: ApiTeacherSettings['schema'], baseDir: string): JsonSchema | undefined {
  if (typeof given !== 'string') {
    if (given) compileSchema(given);
    return given;
  }
  try {
    const schema = JSON.parse(readFileSync(resolve(baseDir, given), 'utf8')) as JsonSchema;
    compileSchema(schema);
    return schema;
  } catch (cause) {
    throw new DecantError('recipe', `this is no schema: ${(cause as Error).message}`, {
      at: 'teacher.schema',
      seen: given,
      cause,
    });
  }
}

/**
 * The API teacher of a run as one that writes text, with the same store and ledger; `prompt` is its system message. With
 * `topk` its answers are to carry log-probabilities. Errors: `pairing` for an endpoint that gives none.
 */
export async function runApiWriter(
  ctx: RunContext,
  { topk = false } = {},
  settings = ownSettings(ctx),
  ledgerFile = LEDGER,
): Promise<TextTeacher & { close(): Promise<void> }> {
  const { client, ledger } = runClient(ctx, settings, ledgerFile);
  const topLogprobs = settings.topLogprobs ?? (topk ? TOP_LOGPROBS : undefined);
  try {
    const capabilities = await probe(client, topLogprobs ?? 0);
    if (topk && capabilities.topk === 0)
      throw new DecantError('pairing', 'the endpoint gives no log-probabilities', {
        at: 'teacher.model',
        seen: `${client.model}, method ${ctx.recipe.method.name}`,
        fix: 'take method: sequence-kd, which learns from the texts alone, or another endpoint',
      });
    ctx.journal.event('teacher', { name: `${client.model} behind an API`, capabilities });
    return {
      ...apiTextTeacher(client, capabilities, {
        system: settings.prompt,
        schema: schemaOf(settings.schema, ctx.baseDir),
        topLogprobs: topk ? topLogprobs : undefined,
      }),
      close: closing(ctx, ledger),
    };
  } catch (error) {
    ledger.close();
    throw error;
  }
}

/** The API teacher of a run as one that gives a vector per text. Errors: `teacher` for an endpoint without embeddings. */
export async function runApiEmbedder(
  ctx: RunContext,
  settings = ownSettings(ctx),
  ledgerFile = LEDGER,
): Promise<Teacher> {
  const { client, ledger } = runClient(ctx, settings, ledgerFile);
  try {
    const width = await probeEmbeddings(client);
    if (width === undefined)
      throw new DecantError('teacher', 'the endpoint gives no embeddings for this model', {
        at: 'teacher.model',
        seen: client.model,
      });
    ctx.journal.event('teacher', { name: `${client.model} behind an API`, width });
    return { ...apiEmbedder(client), close: closing(ctx, ledger) };
  } catch (error) {
    ledger.close();
    throw error;
  }
}

/** The API teacher of a run: answers in the run's store, costs in `ledger.jsonl`, what it can do in the journal. */
export async function runApiTeacher(
  ctx: RunContext,
  classes: readonly string[],
  settings = ownSettings(ctx),
  ledgerFile = LEDGER,
): Promise<Teacher> {
  const { endpoint, classifier, capabilities, ledger } = await openApiTeacher(settings, {
    classes,
    store: ctx.signals,
    ledger: join(ctx.folder.path, ledgerFile),
    baseDir: ctx.baseDir,
    env: process.env,
  });
  ctx.journal.event('teacher', { name: classifier.name, capabilities });
  const byBatch = settings.transport === 'batch' && {
    // all rows at once: a batch takes as long for one question as for thousands
    batch: Number.MAX_SAFE_INTEGER,
    async logits(examples: readonly Example[]) {
      await answerByBatch(examples.map(classifier.question), {
        endpoint,
        client: classifier.client,
        ledger,
        folder: ctx.folder.path,
        stopRequested: ctx.stopRequested,
      });
      return classifier.logits!(examples);
    },
  };
  return {
    ...classifier,
    ...byBatch,
    close: async () => {
      ctx.journal.event('teacher-cost', { ...ledger.totals(), unanswered: classifier.failed.length });
      ledger.close();
    },
  };
}
