import type { Hono } from 'hono';
import { z } from 'zod';
import { type Ranker, ranked } from './rank/open.ts';
import { read, type ServeEnv } from './serve.ts';

const document = z.union([z.string(), z.object({ text: z.string() })]);
const body = z.object({
  query: z.string(),
  documents: z.array(document).min(1).max(2048),
  top_n: z.int().positive().optional(),
  return_documents: z.boolean().optional(),
  model: z.string().optional(),
});

/** `/v1/rerank`, as the common interfaces for re-ranking have it: documents by relevance, best first. */
export function rerankRoutes(app: Hono<ServeEnv>, name: string, ranker: Ranker): void {
  app.post('/v1/rerank', async (c) => {
    const { query, documents, top_n, return_documents } = await read(c, body);
    const texts = documents.map((d) => (typeof d === 'string' ? d : d.text));
    const [scores] = await ranker.score([{ query, documents: texts }]);
    const tokens = [query, ...texts].reduce((n, text) => n + ranker.countTokens(text), 0);
    return c.json({
      object: 'list',
      model: name,
      results: ranked(scores)
        .slice(0, top_n)
        .map(({ index, score }) => ({
          index,
          relevance_score: score,
          ...(return_documents ? { document: { text: texts[index] } } : {}),
        })),
      usage: { total_tokens: tokens },
    });
  });
}
