import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TextVectors, VectorSource } from '../data/steps/step.ts';
import type { Teacher } from '../teachers/teacher.ts';
import { DecantError } from '../util/errors.ts';
import { runApiEmbedder } from './api-teacher.ts';
import type { RunContext } from './context.ts';
import { onnxEmbedder, teacherVectors } from './embedding/teacher.ts';

/** Ledger of the endpoint that gives vectors to steps. */
const LEDGER = 'ledger-vectors.jsonl';

/**
 * The encoder that a step names. Its vectors are kept in the run's store, each under its text, so that no text is asked about
 * twice whatever else is in its batch.
 */
export async function openVectors(
  ctx: RunContext,
  source: VectorSource,
): Promise<TextVectors & { close(): Promise<void> }> {
  const teacher = await encoderOf(ctx, source);
  return {
    id: teacher.id,
    async embed(texts) {
      if (texts.length === 0) return [];
      const { vectors } = await teacherVectors(ctx, teacher, texts, 'vectors of rows');
      const [, width] = vectors.shape;
      return texts.map((_, i) => (vectors.data as Float32Array).subarray(i * width, (i + 1) * width));
    },
    close: async () => teacher.close(),
  };
}

async function encoderOf(ctx: RunContext, source: VectorSource): Promise<Teacher> {
  if (typeof source !== 'string') return runApiEmbedder(ctx, { ...source }, LEDGER);
  const path = resolve(ctx.baseDir, source);
  if (!existsSync(path))
    throw new DecantError('recipe', 'there is nothing at this path', {
      at: 'diversity.embedder',
      seen: source,
      allowed: 'a folder with onnx/model.onnx, or an endpoint: { baseURL, model }',
    });
  return onnxEmbedder(path);
}
