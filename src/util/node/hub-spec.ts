import { homedir } from 'node:os';
import { join } from 'node:path';
import { DecantError } from '../errors.ts';

/** A repository on the hub at a revision. */
export interface HubSpec {
  type: 'model' | 'dataset';
  name: string;
  /** A branch, tag or commit; `main` where none is given. */
  revision: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads `hub:owner/name[@revision]`. */
export function parseHubSpec(text: string, type: HubSpec['type'] = 'model'): HubSpec {
  const match = /^hub:([A-Za-z0-9_][\w.-]*(?:\/[A-Za-z0-9_][\w.-]*)?)(?:@([\w][\w./-]*))?$/.exec(text);
  if (match && !/\.\.|--/.test(match[1]) && !match[2]?.includes('..')) {
    return { type, name: match[1], revision: match[2] ?? 'main' };
  }
  throw new DecantError('usage', 'not the name of a hub repository', {
    seen: text,
    allowed: 'hub:owner/name or hub:owner/name@revision',
  });
}

export const isHubSpec = (text: string): boolean => text.startsWith('hub:');

/** Where downloads are kept: the cache folder that other Hugging Face tools use. */
export function hubCacheDir(env: Environment = process.env): string {
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE ?? join(home, 'hub');
}

const yes = (value: string | undefined): boolean => /^(1|true|yes|on)$/i.test(value ?? '');

/** True where DECANT_OFFLINE or HF_HUB_OFFLINE asks for no network. */
export const isOffline = (env: Environment): boolean => yes(env.DECANT_OFFLINE) || yes(env.HF_HUB_OFFLINE);

/** The access token of the environment; undefined where there is none. Never printed. */
export const hubToken = (env: Environment): string | undefined =>
  env.HF_TOKEN?.trim() || env.HUGGING_FACE_HUB_TOKEN?.trim() || undefined;
