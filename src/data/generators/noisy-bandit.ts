import { createRng, type Rng } from '../../util/rng.ts';

/** Sizes of a contextual bandit with a list of items per context. */
export interface BanditOptions {
  /** Contexts to learn from, and as many others to test on. */
  contexts: number;
  /** Items per context. */
  items: number;
  /** Numbers that describe a context, and an item. */
  width: number;
}

/** Contexts with their items, side by side. */
export interface BanditSplit {
  /** Context and item `[contexts, items, 2 · width]`, row-major. */
  readonly features: Float32Array;
  /** True rewards `[contexts, items]`. */
  readonly rewards: Float64Array;
}

/**
 * A seeded contextual bandit: context x, item f and the entries of A are normal (A with variance 1/width), and the true
 * reward is 1.5 xᵀA f/√width + 0.3 sin(2 f₁). Both splits share A.
 */
export function banditWorld(
  seed: number | string,
  { contexts, items, width }: BanditOptions,
): { train: BanditSplit; test: BanditSplit } {
  const root = createRng(`bandit/${seed}`);
  const rng = root.fork('world');
  const a = Float64Array.from({ length: width * width }, () => rng.normal() / Math.sqrt(width));
  const split = (own: Rng): BanditSplit => {
    const features = new Float32Array(contexts * items * 2 * width);
    const rewards = new Float64Array(contexts * items);
    for (let c = 0; c < contexts; c++) {
      const x = Array.from({ length: width }, () => own.normal());
      for (let i = 0; i < items; i++) {
        const f = Array.from({ length: width }, () => own.normal());
        features.set([...x, ...f], (c * items + i) * 2 * width);
        let match = 0;
        for (let j = 0; j < width; j++)
          for (let k = 0; k < width; k++) match += x[j] * a[j * width + k] * f[k];
        rewards[c * items + i] = (1.5 * match) / Math.sqrt(width) + 0.3 * Math.sin(2 * f[0]);
      }
    }
    return { features, rewards };
  };
  return { train: split(root.fork('train')), test: split(root.fork('test')) };
}

/** What goes wrong with observed rewards. */
export const noiseKinds = ['gauss', 'shift', 'adversarial', 'cauchy'] as const;
export type NoiseKind = (typeof noiseKinds)[number];
/** From mild to severe. */
export type Severity = 0 | 1 | 2;

/**
 * Rewards as they are observed. `gauss`: r + {.5, 1, 2} N, and 5 N more with probability {.05, .1, .2}; `shift`: {.7, .4,
 * .2} r + {.3, .6, 1} N; `adversarial`: all rewards of a context negated with probability {.1, .2, .35}; `cauchy`:
 * r + {.2, .5, 1} standard Cauchy.
 */
export function noisyRewards(
  { rewards }: BanditSplit,
  items: number,
  kind: NoiseKind,
  severity: Severity,
  seed: number | string,
): Float64Array {
  const rng = createRng(`bandit/${seed}/${kind}/${severity}`);
  const out = new Float64Array(rewards.length);
  for (let from = 0; from < rewards.length; from += items) {
    const flipped = kind === 'adversarial' && rng.uniform() < [0.1, 0.2, 0.35][severity];
    for (let i = from; i < from + items; i++) {
      const r = rewards[i];
      if (kind === 'gauss') {
        const outlier = rng.uniform() < [0.05, 0.1, 0.2][severity] ? 5 * rng.normal() : 0;
        out[i] = r + [0.5, 1, 2][severity] * rng.normal() + outlier;
      } else if (kind === 'shift') {
        out[i] = [0.7, 0.4, 0.2][severity] * r + [0.3, 0.6, 1][severity] * rng.normal();
      } else if (kind === 'adversarial') out[i] = flipped ? -r : r;
      else out[i] = r + [0.2, 0.5, 1][severity] * Math.tan(Math.PI * (rng.uniform() - 0.5));
    }
  }
  return out;
}
