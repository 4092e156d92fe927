import { HubApiError } from '@huggingface/hub';
import { DecantError, isDecantError } from '../errors.ts';

/** A download was answered with this status. */
export class StatusError extends Error {
  readonly statusCode: number;
  constructor(statusCode: number) {
    super(`status ${statusCode}`);
    this.statusCode = statusCode;
  }
}

/** The hub could not be asked: retry, or use the cache. */
export class Unreachable extends Error {}

/** What an error means for the user. The token is blotted out wherever it might stand. */
export function explainHubError(token: string | undefined, where: string, error: unknown): Error {
  if (isDecantError(error) || error instanceof Unreachable) return error;
  const status = error instanceof HubApiError || error instanceof StatusError ? error.statusCode : undefined;
  const blot = (text: string): string => (token ? text.replaceAll(token, '<token>') : text);
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  const message = blot(`${error instanceof Error ? error.message : String(error)}${cause}`);
  if (status === 401 || status === 403) {
    return new DecantError('data', `the hub refuses access (status ${status})`, {
      at: where,
      fix: token
        ? 'check that the token of HF_TOKEN may read this repository and that its terms were accepted on the hub'
        : 'check the name; private and gated repositories need a token in HF_TOKEN',
    });
  }
  if (status === 404) {
    return new DecantError('data', 'the hub has no such repository, revision or file', {
      at: where,
      fix: 'check the spelling: hub:owner/name[@branch, tag or commit]',
    });
  }
  if (status !== undefined && status < 500 && status !== 429 && status !== 408 && status !== 416) {
    return new DecantError('data', `the hub answers with status ${status}`, { at: where, seen: message });
  }
  if (error instanceof TypeError && message.includes("must start with 'hf_'")) {
    return new DecantError('data', 'the access token is malformed', {
      at: 'HF_TOKEN',
      allowed: "a token that starts with 'hf_'",
    });
  }
  return new Unreachable(message);
}
