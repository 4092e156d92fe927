import { ndarray } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import { defineTeacher, type Teacher } from '../teacher.ts';
import type { ApiClient } from './client.ts';
import { embeddingQuestion } from './dialect.ts';
import { mapOrdered } from './ordered.ts';

/** Texts that one request for embeddings carries, unless said otherwise. */
export const TEXTS_PER_REQUEST = 64;

/**
 * Embeddings of an endpoint as a teacher's hidden signal: float32 `[texts, width]` under the path that is asked for.
 * Errors: `teacher` for texts that get no vectors, after all others are answered and kept.
 */
export function apiEmbedder(
  client: ApiClient,
  settings: { dimensions?: number; textsPerRequest?: number } = {},
): Teacher {
  const { dimensions, textsPerRequest = TEXTS_PER_REQUEST } = settings;
  const question = (texts: readonly string[]) =>
    embeddingQuestion(texts, { model: client.model, dimensions });
  return {
    ...defineTeacher({
      name: `${client.model} behind an API`,
      id: `api-embeddings:${contentHash(client.key(question([''])))}`,
      batch: textsPerRequest * client.pace.max,
      async hidden(examples, paths) {
        const texts = examples.map((e) => e.text ?? '');
        const parts = Array.from({ length: Math.ceil(texts.length / textsPerRequest) }, (_, i) =>
          texts.slice(i * textsPerRequest, (i + 1) * textsPerRequest),
        );
        const vectors: Float32Array[] = [];
        const problems: string[] = [];
        for await (const answer of mapOrdered(parts, 2 * client.pace.max, (p) => client.ask(question(p))))
          if (answer.ok) vectors.push(...answer.value);
          else problems.push(answer.problem);
        if (problems.length > 0)
          throw new DecantError('teacher', `${problems.length} of ${parts.length} requests got no vectors`, {
            at: 'teacher',
            seen: problems[0],
            fix: 'go on later: what was answered is kept and is not asked again',
          });
        const width = vectors[0].length;
        const data = new Float32Array(vectors.length * width);
        vectors.forEach((v, i) => {
          data.set(v, i * width);
        });
        return { [paths[0]]: ndarray(data, [vectors.length, width]) };
      },
    }),
    signals: ['hidden'],
  };
}
