import { DecantError } from '../../util/errors.ts';
import { type Dialect, type DialectName, dialects } from './wire.ts';

/** Providers with their public addresses; any other endpoint is given by `baseURL`. All but those of `own` speak OpenAI's dialect. */
export const providers: Readonly<Record<string, string | undefined>> = {
  'openai-compatible': undefined,
  openai: 'https://api.openai.com/v1',
  openrouter: 'https://openrouter.ai/api/v1',
  groq: 'https://api.groq.com/openai/v1',
  together: 'https://api.together.xyz/v1',
  mistral: 'https://api.mistral.ai/v1',
  deepseek: 'https://api.deepseek.com/v1',
  fireworks: 'https://api.fireworks.ai/inference/v1',
  ollama: 'http://127.0.0.1:11434/v1',
  vllm: 'http://127.0.0.1:8000/v1',
  'llama.cpp': 'http://127.0.0.1:8080/v1',
  anthropic: 'https://api.anthropic.com/v1',
  gemini: 'https://generativelanguage.googleapis.com/v1beta',
};

/** Providers with an interface of their own. */
const own: Readonly<Record<string, DialectName>> = { anthropic: 'anthropic', gemini: 'gemini' };

/** Where requests go and with which key. The key is held in a closure, so that no dump of this object shows it. */
export interface Endpoint {
  readonly baseURL: string;
  readonly dialect: Dialect;
  headers(): Record<string, string>;
  /** Values that must not appear in anything that is written or thrown. */
  secrets(): readonly string[];
}

export interface EndpointSettings {
  provider?: string;
  baseURL?: string;
  /** Environment variable that holds the key. */
  keyEnv?: string;
}

/** The endpoint of a teacher. Errors: `recipe` for an unknown provider, an address with a key in it, an empty variable. */
export function endpointOf(
  settings: EndpointSettings,
  env: Readonly<Record<string, string | undefined>>,
): Endpoint {
  const provider = settings.provider ?? 'openai-compatible';
  if (!(provider in providers))
    throw new DecantError('recipe', 'unknown provider', {
      at: 'teacher.provider',
      seen: provider,
      allowed: Object.keys(providers).join(', '),
      fix: 'give teacher.baseURL and leave out teacher.provider',
    });
  const address = settings.baseURL ?? providers[provider];
  if (address === undefined)
    throw new DecantError('recipe', 'an endpoint of your own needs an address', {
      at: 'teacher.baseURL',
      fix: 'for example http://127.0.0.1:8000/v1',
    });
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new DecantError('recipe', 'this is not an address', {
      at: 'teacher.baseURL',
      allowed: 'http://… or https://…',
    });
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash)
    throw new DecantError(
      'recipe',
      'the address must be http or https, without user, password, query or fragment',
      {
        at: 'teacher.baseURL',
        seen: `${url.protocol}//${url.host}${url.pathname}`,
        fix: 'name the environment variable that holds the key in teacher.keyEnv',
      },
    );
  const key = settings.keyEnv === undefined ? undefined : env[settings.keyEnv]?.trim();
  if (settings.keyEnv !== undefined && !key)
    throw new DecantError('recipe', 'the environment variable with the key is not set', {
      at: 'teacher.keyEnv',
      seen: settings.keyEnv,
      fix: `export ${settings.keyEnv}=…`,
    });
  if (key !== undefined && /[^\x21-\x7e]/.test(key))
    throw new DecantError('recipe', 'the key holds characters that no header can carry', {
      at: 'teacher.keyEnv',
      seen: settings.keyEnv,
    });
  const dialect = dialects[own[provider] ?? 'openai'];
  return {
    dialect,
    baseURL: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    headers: () => dialect.headers(key),
    secrets: () => (key === undefined ? [] : [key]),
  };
}
