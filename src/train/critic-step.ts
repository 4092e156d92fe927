import { z } from 'zod';
import { requireText } from '../data/steps/fields.ts';
import { defineStep, type Removed, type TextRecord, traced } from '../data/steps/step.ts';
import {
  cutoffAtRecall,
  type PrecisionRecall,
  precisionAbove,
  precisionRecall,
  rocArea,
} from '../evaluate/precision-recall.ts';
import { DecantError } from '../util/errors.ts';
import { createRng } from '../util/rng.ts';
import type { CriticConfig } from './critic.ts';

/** A cutoff for one target recall, chosen on two sets of rated rows. */
export interface Cutoff {
  readonly recall: number;
  readonly validation: { readonly cutoff: number; readonly precision: number };
  readonly test: { readonly cutoff: number; readonly precision: number };
  /** Mean of both cutoffs; rows with a larger score are kept. */
  readonly cutoff: number;
}

export interface ScoredLabels {
  readonly scores: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}

/**
 * The cutoff for a target recall: on each of two rated sets the first point of the precision-recall curve (thresholds
 * ascending) whose recall is at most the target, then the mean of both (West et al. 2022, released code).
 */
export function criticCutoff(validation: ScoredLabels, test: ScoredLabels, recall: number): Cutoff {
  const on = ({ scores, labels }: ScoredLabels) => {
    const curve: PrecisionRecall = precisionRecall(scores, labels);
    const { cutoff, precision } = cutoffAtRecall(curve, recall);
    return { cutoff, precision };
  };
  const [v, t] = [on(validation), on(test)];
  return { recall, validation: v, test: t, cutoff: (v.cutoff + t.cutoff) / 2 };
}

/** Hashed words and word pairs of a text, ids in [0, buckets). */
export function hashedWords(text: string, buckets: number): number[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}\p{M}]+|[^\s\p{L}\p{N}\p{M}]/gu) ?? [];
  const hash = (s: string): number => {
    let h = 0x811c9dc5;
    for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193);
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
    return (h >>> 0) % buckets;
  };
  return [...words.map(hash), ...words.slice(1).map((w, i) => hash(`${words[i]} ${w}`))];
}

const LONGEST = 256;

/** Given rows as good ones, and as bad ones each response under another prompt. */
export function mismatched(given: readonly TextRecord[], seed: string): TextRecord[] {
  const whole = given.filter((r) => r.response !== undefined);
  const rng = createRng(seed);
  const prompts = [...new Set(whole.map((r) => r.prompt ?? ''))];
  if (prompts.length < 2) return [];
  return whole.flatMap((r) => {
    let other = rng.pick(prompts);
    while (other === (r.prompt ?? '')) other = rng.pick(prompts);
    return [
      { ...r, good: true },
      { ...r, prompt: other, good: false },
    ];
  });
}

/** Rated rows in three parts; no prompt (or, by row, no pair) stands in two of them. */
export function splitRated(
  rated: readonly TextRecord[],
  shares: readonly [number, number],
  seed: string,
  by: 'prompt' | 'row' = 'prompt',
): { train: TextRecord[]; validation: TextRecord[]; test: TextRecord[] } {
  const keyOf = (r: TextRecord): string =>
    by === 'prompt' ? (r.prompt ?? '') : `${r.prompt}\n${r.response}`;
  const prompts = createRng(seed).shuffle([...new Set(rated.map(keyOf))]);
  const part = new Map(
    prompts.map((p, i) => {
      const at = (i + 0.5) / prompts.length;
      return [p, at < 1 - shares[0] - shares[1] ? 'train' : at < 1 - shares[1] ? 'validation' : 'test'];
    }),
  );
  const of = (name: string): TextRecord[] => rated.filter((r) => part.get(keyOf(r)) === name);
  return { train: of('train'), validation: of('validation'), test: of('test') };
}

export const criticOptions = {
  learn: z
    .enum(['rated', 'mismatched'])
    .default('rated')
    .describe(
      'what the critic learns from: data.rated, or (without ratings) the given rows against their responses under other prompts',
    ),
  split: z
    .enum(['prompt', 'row'])
    .default('prompt')
    .describe(
      'what is kept apart between training and the choice of the cutoff; row where prompts are a fixed list',
    ),
  recall: z
    .number()
    .positive()
    .lt(1)
    .default(0.5)
    .describe('share of good texts that the cutoff lets through: 0.5 is a strong filter, 0.8 a weak one'),
  held: z
    .number()
    .positive()
    .max(0.4)
    .default(0.1)
    .describe('share of the rated prompts for each of validation and test, on which the cutoff is chosen'),
  width: z.int().positive().default(32).describe('width of the embeddings of hashed words'),
  hidden: z.int().positive().default(512).describe('width of the hidden layer; 512 in the released code'),
  buckets: z.int().positive().default(8192).describe('rows of the embedding table'),
  dropout: z.number().min(0).lt(1).default(0.1).describe('before and after the hidden layer'),
  epochs: z.number().positive().default(10).describe('passes over the rated rows'),
  batchSize: z.int().positive().default(128).describe('rated rows per update'),
  lr: z.number().positive().default(2e-3).describe('learning rate of AdamW'),
  weightDecay: z.number().nonnegative().default(1e-3).describe('decay of matrices'),
} as const;

/** A critic learns from rated rows which texts are good; those it scores above a cutoff are kept. */
export const criticStep = defineStep({
  name: 'critic',
  about: 'a critic, trained on the rated rows of data.rated, keeps the texts it scores above a cutoff',
  options: z.strictObject(criticOptions),
  version: 1,
  needs: ['rated', 'given', 'engine'],
  async run(records, o, context) {
    // the training loop is loaded when a critic is trained, not when a recipe is read
    const { criticIds, trainCritic } = await import('./critic.ts');
    const { engine, seed } = context;
    const rated =
      o.learn === 'rated' ? context.rated : mismatched(context.given, `${seed}/critic/mismatched`);
    if (rated.length === 0)
      throw new DecantError('recipe', 'a critic needs rated texts to learn from', {
        at: 'data.rated',
        allowed: 'rows with prompt, response and good (true or false)',
        fix: 'without any, set learn: mismatched',
      });
    const { train, validation, test } = splitRated(rated, [o.held, o.held], `${seed}/critic/split`, o.split);
    const positives = (rows: readonly TextRecord[]): number => rows.filter((r) => r.good).length;
    for (const [name, rows] of Object.entries({ train, validation, test }))
      if (positives(rows) === 0 || positives(rows) === rows.length)
        throw new DecantError('data', 'the critic needs good and bad texts in every part of the rated rows', {
          at: `data.rated, ${name} part`,
          seen: `${positives(rows)} good of ${rows.length}`,
          fix: 'rate more rows',
        });
    const config: CriticConfig = {
      parts: 2,
      vocabulary: o.buckets,
      width: o.width,
      hidden: o.hidden,
      activation: 'gelu',
      compare: true,
      dropout: o.dropout,
      prior: positives(train) / train.length,
    };
    const ids = (rows: readonly TextRecord[]) =>
      criticIds(
        rows.map((r) =>
          [r.prompt ?? '', requireText(r, 'response', 'critic')].map((t) =>
            hashedWords(t, o.buckets).slice(0, LONGEST),
          ),
        ),
      );
    const labels = (rows: readonly TextRecord[]): number[] => rows.map((r) => (r.good ? 1 : 0));
    const critic = await trainCritic(
      engine!,
      config,
      {
        steps: Math.max(1, Math.round((o.epochs * train.length) / Math.min(o.batchSize, train.length))),
        batch: o.batchSize,
        lr: o.lr,
        weightDecay: o.weightDecay,
      },
      { ids: ids(train), labels: labels(train) },
      `${seed}`,
    );
    const scoresOf = async (rows: readonly TextRecord[]): Promise<Float64Array> =>
      rows.length === 0 ? new Float64Array(0) : critic.score(ids(rows));
    const [v, t] = await Promise.all(
      [validation, test].map(async (rows) => ({ scores: await scoresOf(rows), labels: labels(rows) })),
    );
    const { cutoff } = criticCutoff(v, t, o.recall);
    const scores = await scoresOf(records);
    const kept: TextRecord[] = [];
    const removed: Removed[] = [];
    records.forEach((record, i) => {
      if (scores[i] > cutoff) kept.push(traced(record, { step: 'critic' }, { critic: scores[i] }));
      else removed.push({ record, reason: `score ${scores[i].toFixed(3)}, cutoff ${cutoff.toFixed(3)}` });
    });
    const both = { scores: [...v.scores, ...t.scores], labels: [...v.labels, ...t.labels] };
    const above = precisionAbove(both.scores, both.labels, cutoff);
    return {
      kept,
      removed,
      figures: {
        rated: rated.length,
        auc: rocArea(both.scores, both.labels),
        cutoff,
        goodBefore: both.labels.reduce((a, b) => a + b, 0) / both.labels.length,
        ...(above.kept > 0 ? { goodAfter: above.precision } : {}),
      },
    };
  },
});
