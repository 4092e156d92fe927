/** Reads how long a server asks its clients to wait. Times are milliseconds. */

type Headers = { get(name: string): string | null };

/**
 * `retry-after-ms`, or `retry-after` as seconds or as an HTTP date (RFC 9110, 10.2.3). A date is compared with the
 * server's own `date` header, where there is one, so that a clock that runs wrong on either side does not matter.
 * Undefined where the header is absent or makes no sense.
 */
export function retryAfter(headers: Headers, now = Date.now()): number | undefined {
  const exact = Number(headers.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(exact) && exact >= 0) return exact;
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return 1000 * Number(value);
  const until = Date.parse(value);
  if (Number.isNaN(until)) return undefined;
  const here = Date.parse(headers.get('date') ?? '');
  return Math.max(0, until - (Number.isNaN(here) ? now : here));
}

/** A span as rate-limit headers write it: `1s`, `6m0s`, `1h2m3.5s`, `20ms`, bare seconds, or a date. */
export function spanOf(text: string | null, now = Date.now()): number | undefined {
  const value = text?.trim();
  if (!value) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return 1000 * Number(value);
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length > 0 && parts.map((p) => p[0]).join('') === value) {
    const unit: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
    return parts.reduce((sum, [, n, u]) => sum + Number(n) * unit[u], 0);
  }
  const until = Date.parse(value);
  return Number.isNaN(until) ? undefined : Math.max(0, until - now);
}

/** How long to send nothing because the quota of requests or tokens is used up; undefined while some is left. */
export function quotaPause(headers: Headers, now = Date.now()): number | undefined {
  let pause: number | undefined;
  for (const prefix of ['x-ratelimit', 'anthropic-ratelimit']) {
    for (const what of ['requests', 'tokens']) {
      const names =
        prefix === 'x-ratelimit'
          ? [`${prefix}-remaining-${what}`, `${prefix}-reset-${what}`]
          : [`${prefix}-${what}-remaining`, `${prefix}-${what}-reset`];
      const left = headers.get(names[0]);
      if (left === null || Number(left) > 0 || Number.isNaN(Number(left))) continue;
      const here = Date.parse(headers.get('date') ?? '');
      const span = spanOf(headers.get(names[1]), Number.isNaN(here) ? now : here);
      if (span !== undefined) pause = Math.max(pause ?? 0, span);
    }
  }
  return pause;
}

/** Exponential backoff with full jitter: uniform in [0, min(cap, base · 2^attempt)], at least a tenth of it. */
export function backoff(attempt: number, base: number, cap: number, random = Math.random): number {
  const top = Math.min(cap, base * 2 ** attempt);
  return top * (0.1 + 0.9 * random());
}
