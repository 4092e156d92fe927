import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { destination, type Logger, pino } from 'pino';
import { redact } from '../util/redact.ts';

export { redact, redactText } from '../util/redact.ts';
export type { Logger };

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
