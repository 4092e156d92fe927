/** What can go wrong, as a stable code that programs can switch on; each maps to an exit code of the command line. */
export type ErrorCode =
  | 'usage' // wrong flags or arguments
  | 'recipe' // the recipe does not parse or validate
  | 'data' // a data file is missing, malformed or unusable
  | 'model' // a model folder, checkpoint or ONNX file is malformed or unsupported
  | 'pairing' // teacher and student do not fit together
  | 'shape' // an operator was given shapes or types it does not take
  | 'engine' // the execution engine refused or failed
  | 'teacher' // a teacher could not answer
  | 'budget' // a limit of money, tokens or time was reached
  | 'interrupted' // stopped on request; can be resumed
  | 'internal'; // a bug in Decant

export interface ErrorDetails {
  /** Where: a config path (`train.epochs`), a file with line (`data.csv:17`) or a tensor name. */
  at?: string;
  /** The value that was seen. */
  seen?: unknown;
  /** The values that are allowed. */
  allowed?: string;
  /** What to do about it. */
  fix?: string;
  cause?: unknown;
}

/**
 * An error a user can act on. The message reads: what is wrong, where, value seen, values allowed, the fix.
 * Recognise it with {@link isDecantError}, which also works across duplicate installs.
 */
export class DecantError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly decant = true as const;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    const parts = [details.at ? `${details.at}: ${what}` : what];
    if (details.seen !== undefined) parts.push(`seen: ${show(details.seen)}`);
    if (details.allowed) parts.push(`allowed: ${details.allowed}`);
    if (details.fix) parts.push(`fix: ${details.fix}`);
    super(parts.join('; '), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'DecantError';
    this.code = code;
    this.details = details;
  }
}

export const isDecantError = (e: unknown): e is DecantError =>
  e instanceof Error && (e as Partial<DecantError>).decant === true;

function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 120 ? `${value.slice(0, 117)}...` : value);
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length > 160 ? `${text.slice(0, 157)}...` : text;
  } catch {
    return String(value);
  }
}
