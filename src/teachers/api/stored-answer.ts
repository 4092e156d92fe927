import type { SignalStore } from '../store/index.ts';
import { keyFromHex } from '../store/key.ts';
import { type AnswerToken, chatQuestion, completionQuestion, isUnusable } from './dialect.ts';
import { type DialectName, dialects } from './wire.ts';

/** What stands beside a stored answer: how it is to be read. */
export interface StoredMeta {
  path: string;
  at: string;
  /** Absent: OpenAI's. */
  dialect?: DialectName;
  /** It came from a batch or a file. */
  imported?: boolean;
}

/**
 * The tokens of a stored answer with their log-probabilities, by the `key` that came with the answer; undefined where the
 * store has no such answer, or the answer no log-probabilities.
 */
export function storedTokens(store: SignalStore, key: string): AnswerToken[] | undefined {
  const signal = store.getKey(keyFromHex(key));
  if (signal?.form !== 'text') return undefined;
  const { path, dialect } = signal.meta as StoredMeta;
  const json = dialects[dialect ?? 'openai'].answer(path, JSON.parse(signal.text));
  const question =
    path === 'completions' ? completionQuestion('', { model: '' }) : chatQuestion([], { model: '' });
  const answer = question.read(json);
  return isUnusable(answer) ? undefined : answer.tokens;
}
