import type { Engine } from '../../engine/engine.ts';

/** Measurements of one arm and one seed, by metric. */
export type Measured = Readonly<Record<string, number>>;

/** What must hold between means over seeds for a claim to count as reproduced; written before the run. */
export interface Criterion {
  readonly says: string;
  readonly metric: string;
  readonly arm: string;
  /** The best of these is what the arm is compared with. */
  readonly against: readonly string[];
  /** Whether more of the metric is better. */
  readonly better: 'higher' | 'lower';
  /** How far ahead the arm must be, in units of the metric; or as a share of the other's mean; or how near to it. */
  readonly by: { readonly atLeast: number } | { readonly share: number } | { readonly within: number };
  /** A main criterion decides the verdict; a secondary one is reported beside it. */
  readonly role: 'main' | 'secondary';
}

/** A paper's directional claim at small scale: arms trained side by side under one budget, on several seeds. */
// biome-ignore lint/suspicious/noExplicitAny: the list holds reproductions of any settings
export interface Reproduction<S = any> {
  readonly slug: string;
  /** What the paper claims, and what is checked here. */
  readonly paper: string;
  readonly claim: string;
  /** The data sets, as recipes name them. */
  readonly data: readonly string[];
  readonly settings: S;
  /** Overrides of the settings for a run of a minute. */
  readonly quick: Partial<S>;
  /** Reported seeds, below 1001; quick and tuning runs use others (see `plannedRun`). */
  readonly seeds: readonly number[];
  readonly arms: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, string>>;
  readonly criteria: readonly Criterion[];
  /** Pilot figures of others on the same settings, and why ours may differ. */
  readonly pilot?: { readonly figures: Readonly<Record<string, string>>; readonly differs: string };
  /** Differences between this reproduction and the paper's experiment. */
  readonly differs: readonly string[];
  /** All arms of one seed: last-step results, never the best of several. */
  run(context: RunContext, settings: S, seed: number): Promise<Record<string, Measured>>;
}

export interface RunContext {
  readonly engine: Engine;
  /** Folder of public sets (DECANT_DATA). */
  readonly dataRoot: string | undefined;
  readonly tell: (line: string) => void;
}

/** Types a reproduction's settings. */
export const defineReproduction = <S>(r: Reproduction<S>): Reproduction<S> => r;

export interface ArmResult {
  readonly what: string;
  /** Per metric: mean and unbiased deviation over seeds, and the values in the order of the seeds. */
  readonly metrics: Readonly<
    Record<string, { readonly mean: number; readonly sd: number | null; readonly values: readonly number[] }>
  >;
}

export interface Judged {
  readonly says: string;
  readonly role: 'main' | 'secondary';
  readonly metric: string;
  readonly arm: string;
  readonly against: string;
  /** How far ahead the arm is (negative: behind): mean over seeds, and its deviation over paired seeds. */
  readonly ahead: number;
  readonly aheadSd: number | null;
  readonly needed: string;
  readonly met: boolean;
}

export type Verdict = 'reproduced' | 'partly' | 'not';

/** A result card, `results/<slug>.json`. */
export interface ResultCard {
  readonly version: 1;
  readonly slug: string;
  readonly paper: string;
  readonly claim: string;
  readonly data: readonly string[];
  readonly quick: boolean;
  readonly settings: unknown;
  /** Over settings, criteria and seeds: what stood before the run. */
  readonly settingsHash: string;
  readonly seeds: readonly number[];
  readonly arms: Readonly<Record<string, ArmResult>>;
  readonly criteria: readonly Judged[];
  readonly verdict: Verdict;
  readonly pilot?: Reproduction['pilot'];
  readonly differs: readonly string[];
  readonly hardware: string;
  readonly software: string;
  readonly seconds: number;
  readonly date: string;
}
