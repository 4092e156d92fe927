import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { DecantError } from '../../util/errors.ts';

const price = z.strictObject({
  input: z.number().min(0).describe('per million tokens of the prompt'),
  output: z.number().min(0).describe('per million tokens of the answer'),
  cachedInput: z.number().min(0).optional().describe('per million tokens of the prompt read from a cache'),
});
const table = z.strictObject({
  currency: z.string().default('USD'),
  models: z
    .record(z.string(), price)
    .describe('model name to price; a name that ends in * stands for a family'),
});

export type Price = z.infer<typeof price>;
export type PriceTable = z.infer<typeof table>;

/** Tokens of one request. */
export interface Usage {
  input: number;
  output: number;
  cachedInput?: number;
}

/** Reads a price table, YAML or JSON. Errors: `recipe` with the place in the file. */
export function readPrices(path: string): PriceTable {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new DecantError('recipe', `the price table cannot be read: ${(cause as Error).message}`, {
      at: path,
      cause,
    });
  }
  const parsed = table.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DecantError('recipe', issue.message, {
      at: `${path} ${issue.path.join('.')}`,
      allowed: 'currency: USD, models: { NAME: { input: …, output: … } }, prices per million tokens',
    });
  }
  return parsed.data;
}

/** The price of a model: its own entry, else the longest family that fits. */
export function priceOf(prices: PriceTable | undefined, model: string): Price | undefined {
  if (!prices) return undefined;
  if (prices.models[model]) return prices.models[model];
  const families = Object.keys(prices.models)
    .filter((name) => name.endsWith('*') && model.startsWith(name.slice(0, -1)))
    .sort((a, b) => b.length - a.length);
  return prices.models[families[0]];
}

/** Money for tokens, in the currency of the table; 0 without a price. */
export function costOf(price: Price | undefined, usage: Usage): number {
  if (!price) return 0;
  const cached = Math.min(usage.cachedInput ?? 0, usage.input);
  return (
    ((usage.input - cached) * price.input +
      cached * (price.cachedInput ?? price.input) +
      usage.output * price.output) /
    1e6
  );
}

/** Tokens of a text, guessed from its bytes: one per three, which is more than English takes with any usual tokenizer. */
export const guessTokens = (text: string): number => Math.ceil(Buffer.byteLength(text, 'utf8') / 3);
