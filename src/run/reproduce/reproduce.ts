import { readFile } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import type { Measured, Reproduction, ResultCard, RunContext } from './types.ts';
import { judge, summarize, verdictOf } from './verdict.ts';

/** Seeds from here on are for quick runs and for choosing settings; reported seeds are below. */
export const FIRST_TUNING_SEED = 1001;

export interface ReproduceOptions {
  /** Number of seeds, from the first on; default: as many as the reproduction names (one with `quick`). */
  readonly seeds?: number;
  /** The settings of a run of a minute, on tuning seeds. */
  readonly quick?: boolean;
  /** The full settings on tuning seeds: for choosing settings without having seen a reported seed. */
  readonly tuning?: boolean;
}

/**
 * The settings a run uses, with what decides about it: known, and hashed, before anything runs. Only a run that is
 * neither quick nor for tuning sees the seeds of the reproduction.
 */
export function plannedRun(r: Reproduction, { seeds, quick = false, tuning = quick }: ReproduceOptions) {
  const count = seeds ?? (quick ? 1 : r.seeds.length);
  if (count < 1 || count > r.seeds.length)
    throw new DecantError('usage', 'bad number of seeds', {
      at: '--seeds',
      seen: count,
      allowed: `1 to ${r.seeds.length}`,
    });
  const settings: unknown = quick ? { ...r.settings, ...r.quick } : r.settings;
  const pool = tuning ? r.seeds.map((_, i) => FIRST_TUNING_SEED + i) : r.seeds;
  const used = pool.slice(0, count);
  return {
    settings,
    seeds: used,
    quick,
    /** Whether this is what the reproduction reports: its own settings on all of its seeds. */
    reported: !tuning && count === r.seeds.length,
    hash: contentHash({ settings, seeds: used, criteria: r.criteria, arms: r.arms }),
  };
}

/** Runs all arms on all seeds and judges the claim. */
export async function reproduce(
  r: Reproduction,
  context: RunContext,
  options: ReproduceOptions = {},
): Promise<ResultCard> {
  const plan = plannedRun(r, options);
  const began = performance.now();
  const runs: Record<string, Measured>[] = [];
  for (const seed of plan.seeds) {
    const tell = (line: string): void => context.tell(`seed ${seed}: ${line}`);
    runs.push(await r.run({ ...context, tell }, plan.settings, seed));
  }
  const arms = summarize(r.arms, runs);
  const criteria = r.criteria.map((c) => judge(c, arms));
  return {
    version: 1,
    slug: r.slug,
    paper: r.paper,
    claim: r.claim,
    data: r.data,
    quick: plan.quick,
    settings: plan.settings,
    settingsHash: plan.hash,
    seeds: plan.seeds,
    arms,
    criteria,
    verdict: verdictOf(criteria),
    pilot: r.pilot,
    differs: r.differs,
    hardware: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    software: `Decant ${await ownVersion()}, Node ${process.version}, ${platform()} ${arch()}, engine ${context.engine.name}`,
    seconds: Math.round((performance.now() - began) / 1000),
    date: new Date().toISOString().slice(0, 10),
  };
}

async function ownVersion(): Promise<string> {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
