import { DecantError } from '../util/errors.ts';

/** Learning rate for an update, from the number of updates before it (0 for the first). Computed on the host. */
export type Schedule = (step: number) => number;

export const constant =
  (lr: number): Schedule =>
  () =>
    lr;

export const toSchedule = (lr: number | Schedule): Schedule => (typeof lr === 'number' ? constant(lr) : lr);

/** From `from` to `to` on a straight line over `steps`, then `to`. */
export function linear({ from, to = 0, steps }: { from: number; to?: number; steps: number }): Schedule {
  positive('linear', steps);
  return (step) => from + (to - from) * Math.min(1, step / steps);
}

/** From `from` to `to` on half a cosine over `steps`, then `to` (Loshchilov and Hutter 2017, equation 5). */
export function cosine({ from, to = 0, steps }: { from: number; to?: number; steps: number }): Schedule {
  positive('cosine', steps);
  return (step) => to + ((from - to) * (1 + Math.cos(Math.PI * Math.min(1, step / steps)))) / 2;
}

/** `from`, times `factor` after each of the updates `at`. */
export function stepDecay({
  from,
  at,
  factor = 0.1,
}: {
  from: number;
  at: readonly number[];
  factor?: number;
}): Schedule {
  return (step) => from * factor ** at.filter((a) => step >= a).length;
}

/** Rises from lr/steps to lr in `steps` updates, then follows `after`, which begins at its own step 0. */
export function warmup(after: Schedule, steps: number): Schedule {
  if (steps === 0) return after;
  positive('warmup', steps);
  const top = after(0);
  return (step) => (step < steps ? (top * (step + 1)) / steps : after(step - steps));
}

/** Up to `max` and down to almost nothing, on cosines (Smith and Topin 2018; PyTorch's two-phase form and defaults). */
export function oneCycle({
  max,
  steps,
  rise = 0.3,
  startDivisor = 25,
  endDivisor = 1e4,
}: {
  max: number;
  steps: number;
  /** Fraction of the steps that rises. */
  rise?: number;
  startDivisor?: number;
  endDivisor?: number;
}): Schedule {
  positive('oneCycle', steps);
  const start = max / startDivisor;
  const end = start / endDivisor;
  const top = rise * steps - 1;
  const last = steps - 1;
  const between = (a: number, b: number, t: number): number =>
    b + ((a - b) * (1 + Math.cos(Math.PI * t))) / 2;
  return (step) => {
    const s = Math.min(step, last);
    return s <= top
      ? between(start, max, top <= 0 ? 1 : s / top)
      : between(max, end, (s - top) / (last - top));
  };
}

/** Rises over `warmup` updates to `peak`, then peak·√(warmup/step) (Vaswani et al. 2017, equation 3). */
export function inverseSqrt({ peak, warmup }: { peak: number; warmup: number }): Schedule {
  positive('inverseSqrt', warmup);
  return (step) => peak * Math.min((step + 1) / warmup, Math.sqrt(warmup / (step + 1)));
}

function positive(name: string, steps: number): void {
  if (!(steps > 0))
    throw new DecantError('usage', `${name} needs a positive number of steps`, {
      seen: steps,
      allowed: '1 or more',
    });
}
