import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { destination, type Logger, pino } from 'pino';

export type { Logger };

/** Names of members whose values never reach a log, at any depth, whatever their case. */
const SECRET_NAME =
  /^(authorization|proxy-authorization|cookie|set-cookie|.*(api[-_]?key|token|secret|password|passwd|credential).*)$/i;
/** Members whose names look secret and are not. */
const HARMLESS =
  /^(max|min|num|n|total|prompt|completion|input|output|cached|reasoning|special|eos|bos|pad|unk|mask)?_?-?(new)?_?-?tokens?(_?-?(ids?|count|per.*))?$|token(izer|ization|_?ids?|count)|tokens$/i;
/** Shapes of keys inside text: `sk-…`, `hf_…`, bearer headers, user:password in addresses. */
const SECRET_TEXT: readonly [RegExp, string][] = [
  [/\b(sk|pk|rk)-[A-Za-z0-9_-]{12,}/g, '$1-[redacted]'],
  [/\b(hf|ghp|gho|xox[abp])_?-?[A-Za-z0-9]{16,}/g, '$1_[redacted]'],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, '$1 [redacted]'],
  [/(\w+:\/\/)[^\s/:@]+:[^\s/@]+@/g, '$1[redacted]@'],
  [/([?&](?:api[-_]?key|access_token|token|key|signature)=)[^&\s]+/gi, '$1[redacted]'],
];

/** A copy of a value without secrets: members with secret names, and keys inside strings (errors included). */
export function redact(value: unknown, secrets: readonly string[] = [], depth = 0): unknown {
  if (typeof value === 'string') return redactText(value, secrets);
  if (value === null || typeof value !== 'object') return value;
  if (depth > 12) return '[deep]';
  if (Array.isArray(value)) return value.map((v) => redact(v, secrets, depth + 1));
  if (value instanceof Error)
    return {
      type: value.name,
      message: redactText(value.message, secrets),
      stack: redactText(value.stack ?? '', secrets),
      ...(redact({ ...value }, secrets, depth + 1) as object),
    };
  if (ArrayBuffer.isView(value)) return `[${value.constructor.name} ${value.byteLength} bytes]`;
  const out: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const secret = SECRET_NAME.test(name) && !HARMLESS.test(name) && member !== null && member !== undefined;
    out[name] = secret ? '[redacted]' : redact(member, secrets, depth + 1);
  }
  return out;
}

/** Text without keys of known shapes and without the given secrets. */
export function redactText(text: string, secrets: readonly string[] = []): string {
  for (const secret of secrets) if (secret.length >= 6) text = text.replaceAll(secret, '[redacted]');
  for (const [shape, replacement] of SECRET_TEXT) text = text.replace(shape, replacement);
  return text;
}

/**
 * JSON-lines log file of a run (pino). Every line passes through {@link redact}; `secrets` are values that must not
 * appear in any form, such as the API keys of this run. Written synchronously, so that the last words before a
 * crash are there.
 */
export function openLog(
  path: string,
  options: { level?: string; secrets?: readonly string[] } = {},
): Logger & { close(): void } {
  mkdirSync(dirname(path), { recursive: true });
  const file = destination({ dest: path, sync: true, append: true });
  const { secrets = [] } = options;
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: {
        logMethod(args, method) {
          const clean = args.map((a) => redact(a, secrets));
          // pino's own treatment of errors, kept: a member of its own, and its message as the line's
          if ((args as unknown[])[0] instanceof Error)
            clean.splice(
              0,
              1,
              { error: clean[0] },
              ...(args.length > 1 ? [] : [(clean[0] as Error).message]),
            );
          method.apply(this, clean as Parameters<typeof method>);
        },
      },
    },
    file,
  );
  return Object.assign(logger, {
    close: () => {
      file.flushSync();
      file.end();
    },
  });
}
