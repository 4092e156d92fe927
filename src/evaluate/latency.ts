import { DecantError } from '../util/errors.ts';
import { mean, standardDeviation } from './matrix.ts';
import { sortedQuantile } from './special.ts';

export interface LatencyStats {
  runs: number;
  /** Inputs per call. */
  batch: number;
  /** Milliseconds per call. */
  p50: number;
  p95: number;
  p99: number;
  mean: number;
  sd: number;
  min: number;
  max: number;
  /** Inputs per second at the median call. */
  throughput: number;
}

/** Quantiles (type 7) of call times in milliseconds. */
export function latencyStats(milliseconds: ArrayLike<number>, batch = 1): LatencyStats {
  if (milliseconds.length === 0)
    throw new DecantError('internal', 'latencyStats needs at least one measurement');
  const sorted = Float64Array.from(milliseconds).sort();
  const p50 = sortedQuantile(sorted, 0.5);
  return {
    runs: sorted.length,
    batch,
    p50,
    p95: sortedQuantile(sorted, 0.95),
    p99: sortedQuantile(sorted, 0.99),
    mean: mean(sorted),
    sd: standardDeviation(sorted),
    min: sorted[0],
    max: sorted[sorted.length - 1],
    throughput: (1000 * batch) / p50,
  };
}

/**
 * Times `call` until `runs` calls or `seconds` have passed (at least 5 calls), after `warmup` untimed ones.
 * The call gets its number, so that it can take another input each time.
 */
export async function measureLatency(
  call: (run: number) => unknown,
  options: { warmup?: number; runs?: number; seconds?: number; batch?: number } = {},
): Promise<LatencyStats> {
  const { warmup = 3, runs = 100, seconds = 10, batch = 1 } = options;
  for (let i = 0; i < warmup; i++) await call(i);
  const times: number[] = [];
  const start = performance.now();
  for (let i = 0; i < runs; i++) {
    const before = performance.now();
    await call(i);
    const after = performance.now();
    times.push(after - before);
    if (times.length >= 5 && after - start > seconds * 1000) break;
  }
  return latencyStats(times, batch);
}
