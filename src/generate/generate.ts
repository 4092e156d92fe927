import { DecantError } from '../util/errors.ts';
import { createRng } from '../util/rng.ts';
import {
  chooseToken,
  logProbabilities,
  logSumExp,
  penalize,
  type SamplingOptions,
  type TokenHistory,
  topEntries,
} from './sampling.ts';
import type { Cache, DecoderSession } from './session.ts';

/** What turns ids into text, piece by piece: a tokenizer's stream decoder. */
export interface TextDecoder {
  decode(ids: readonly number[]): string;
}

/** Keeps a generation inside a language: which tokens may come next. */
export interface Constraint {
  /** A fresh state at the beginning of an answer. */
  start(): ConstraintState;
}

export interface ConstraintState {
  /** Sets the logits of tokens that may not come next to -Infinity. */
  mask(logits: Float32Array): void;
  /** The state after a token. */
  next(token: number): ConstraintState;
  /** Whether the answer may end here. */
  readonly done: boolean;
}

export interface GenerateOptions extends SamplingOptions {
  /** Longest answer in tokens; default 128. */
  maxTokens?: number;
  /** Tokens that end an answer (not part of it). */
  eos?: readonly number[];
  /** Texts that end an answer (cut off); needs `decoder`. */
  stop?: readonly string[];
  decoder?: TextDecoder;
  /** Seed of sampling; each prompt and sample has its own stream, whatever else is in the batch. Default 0. */
  seed?: number | string;
  /** Answers per prompt; the prompt is run once. Default 1. */
  samples?: number;
  /** Keep the k likeliest alternatives of each token with their log-probabilities (before temperature). */
  logprobs?: number;
  constraint?: Constraint;
  /** Prompts run together; default 16. */
  batchSize?: number;
  /** Called for each token as it comes: prompt, sample, token, its log-probability. Return false to end the answer. */
  onToken?: (prompt: number, sample: number, token: number, logp: number) => boolean | undefined;
}

export interface Generation {
  /** Generated tokens, without the one that ended them. */
  readonly ids: number[];
  /** Log-probability of each token under the model at temperature 1, nats. */
  readonly logp: number[];
  /** The likeliest alternatives at each position, when asked for. */
  readonly top?: { ids: number[]; logp: number[] }[];
  /** Decoded text without the stop string, when a decoder was given. */
  readonly text?: string;
  readonly finish: 'eos' | 'stop' | 'length';
}

interface Row extends TokenHistory {
  prompt: number;
  sample: number;
  ids: number[];
  logp: number[];
  top: { ids: number[]; logp: number[] }[];
  state?: ConstraintState;
  rng: ReturnType<typeof createRng>;
  finish?: Generation['finish'];
  text?: string;
}

/**
 * Continues prompts: greedy at temperature 0 (the default), else sampled. Prompts of different lengths share batches
 * (padding on the left); rows that end leave the batch.
 *
 * @param prompts token ids, each at least one
 * @returns per prompt, its samples
 */
export async function generate(
  session: DecoderSession,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
): Promise<Generation[][]> {
  const { samples = 1, batchSize = 16, seed = 0, maxTokens = 128 } = options;
  prompts.forEach((p, i) => {
    if (p.length === 0)
      throw new DecantError('usage', 'a prompt needs at least one token', {
        at: `prompt ${i}`,
        fix: 'begin with the bos token',
      });
    if (session.contextLength !== undefined && p.length > session.contextLength)
      throw new DecantError('usage', 'a prompt is longer than the model can read', {
        at: `prompt ${i}`,
        seen: `${p.length} tokens`,
        allowed: `at most ${session.contextLength}`,
      });
  });
  if (options.stop?.length && !options.decoder)
    throw new DecantError('usage', 'stop strings need a decoder', { at: 'stop' });
  const out: Generation[][] = prompts.map(() => []);
  // prompts of similar length together: less padding
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[a].length - prompts[b].length);
  for (let from = 0; from < order.length; from += batchSize) {
    const chosen = order.slice(from, from + batchSize);
    const rows: Row[] = chosen.flatMap((prompt) =>
      Array.from({ length: samples }, (_, sample) => ({
        prompt,
        sample,
        context: prompts[prompt],
        ids: [],
        logp: [],
        top: [],
        state: options.constraint?.start(),
        rng: createRng(`${seed}/${prompt}/${sample}`),
      })),
    );
    await continueRows(
      session,
      chosen.map((p) => prompts[p]),
      rows,
      samples,
      { ...options, maxTokens },
    );
    for (const row of rows) {
      out[row.prompt][row.sample] = {
        ids: row.ids,
        logp: row.logp,
        ...(options.logprobs ? { top: row.top } : {}),
        ...(options.decoder ? { text: row.text ?? options.decoder.decode(row.ids) } : {}),
        finish: row.finish ?? 'length',
      };
    }
  }
  return out;
}

async function continueRows(
  session: DecoderSession,
  prompts: readonly (readonly number[])[],
  rows: Row[],
  samples: number,
  options: GenerateOptions & { maxTokens: number },
): Promise<void> {
  const longest = Math.max(...prompts.map((p) => p.length));
  const padded = prompts.map((p) => [...new Array<number>(longest - p.length).fill(p[0]), ...p]);
  const mask = prompts.map((p) => [...new Array<number>(longest - p.length).fill(0), ...p.map(() => 1)]);
  const first = await session.step(padded, { mask });
  // every sample of a prompt starts from the same cache: the prompt is run once
  let source = rows.map((_, i) => Math.floor(i / samples));
  let cache: Cache = session.pick(first.cache, source);
  let logits = first.logits;
  let open = rows;
  for (let length = 1; length <= options.maxTokens; length++) {
    const tokens = open.map((row, i) => {
      const at = length === 1 ? source[i] : i;
      return advance(row, logits.subarray(at * first.vocab, (at + 1) * first.vocab), options);
    });
    const full = (row: Row): boolean =>
      session.contextLength !== undefined && row.context.length + row.ids.length > session.contextLength;
    const alive = open.map((_, i) => i).filter((i) => open[i].finish === undefined && !full(open[i]));
    if (alive.length === 0 || length === options.maxTokens) break;
    source = alive;
    cache = session.pick(cache, alive);
    open = alive.map((i) => open[i]);
    const result = await session.step(
      alive.map((i) => [tokens[i]]),
      { cache },
    );
    cache = result.cache;
    logits = result.logits;
  }
}

/** Chooses the row's next token and notes what ends it. `raw` are the model's logits, which stay as they are. */
function advance(row: Row, raw: Float32Array, options: GenerateOptions): number {
  const logits = raw.slice();
  penalize(logits, row, options);
  const eos = options.eos ?? [];
  if (row.state) {
    const ends = eos.map((id) => logits[id]);
    row.state.mask(logits);
    // an answer may end only where the constraint allows it
    eos.forEach((id, i) => {
      logits[id] = row.state!.done ? ends[i] : Number.NEGATIVE_INFINITY;
    });
    if (logits.every((x) => x === Number.NEGATIVE_INFINITY)) {
      row.finish = row.state.done ? 'eos' : 'stop';
      return eos[0] ?? 0;
    }
  }
  const token = chooseToken(logits, options, row.rng);
  if (eos.includes(token)) {
    row.finish = 'eos';
    return token;
  }
  const total = logSumExp(raw);
  const logp = raw[token] - total;
  row.ids.push(token);
  row.logp.push(logp);
  if (options.logprobs) {
    const top = topEntries(raw, options.logprobs);
    row.top.push({ ids: top.ids, logp: top.values.map((x) => x - total) });
  }
  row.state = row.state?.next(token);
  if (options.onToken?.(row.prompt, row.sample, token, logp) === false) row.finish = 'stop';
  if (options.stop?.length) {
    const text = options.decoder!.decode(row.ids);
    const at = Math.min(...options.stop.map((s) => text.indexOf(s)).filter((i) => i >= 0));
    if (Number.isFinite(at)) {
      row.finish = 'stop';
      row.text = text.slice(0, at);
    }
  }
  return token;
}

export interface Scored {
  /** log p(token | before) of each scored token, nats. */
  readonly logp: number[];
  readonly top?: { ids: number[]; logp: number[] }[];
}

/**
 * Log-probabilities that the model gives to existing text: of every token after the first, or of those from
 * `from[i]` on (the response after a prompt).
 */
export async function scoreTokens(
  session: DecoderSession,
  sequences: readonly (readonly number[])[],
  options: { from?: readonly number[]; top?: number; batchSize?: number } = {},
): Promise<Scored[]> {
  const { batchSize = 8, top } = options;
  const out: Scored[] = new Array(sequences.length);
  const order = sequences.map((_, i) => i).sort((a, b) => sequences[a].length - sequences[b].length);
  for (let begin = 0; begin < order.length; begin += batchSize) {
    const chosen = order.slice(begin, begin + batchSize);
    const longest = Math.max(...chosen.map((i) => sequences[i].length));
    const pad = chosen.map((i) => longest - sequences[i].length);
    const ids = chosen.map((i, r) => [...new Array<number>(pad[r]).fill(sequences[i][0]), ...sequences[i]]);
    const mask = chosen.map((i, r) => [...new Array<number>(pad[r]).fill(0), ...sequences[i].map(() => 1)]);
    const { logits, vocab } = await session.step(ids, { mask, all: true });
    chosen.forEach((i, r) => {
      const logp: number[] = [];
      const best: { ids: number[]; logp: number[] }[] = [];
      for (let t = Math.max(1, options.from?.[i] ?? 1); t < sequences[i].length; t++) {
        const at = (r * longest + pad[r] + t - 1) * vocab;
        const row = logProbabilities(logits.slice(at, at + vocab));
        logp.push(row[sequences[i][t]]);
        if (top) {
          const e = topEntries(row, top);
          best.push({ ids: e.ids, logp: e.values });
        }
      }
      out[i] = { logp, ...(top ? { top: best } : {}) };
    });
  }
  return out;
}
