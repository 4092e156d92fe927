import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Example } from '../../data/types.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { contrastive } from '../../methods/ranking/contrastive.ts';
import { SENTENCE } from '../../methods/ranking/embedding-kd.ts';
import { countParams, type Params } from '../../nn/params.ts';
import { defineTeacher, storedHidden, type Teacher } from '../../teachers/teacher.ts';
import type { TrainSettings } from '../../train/job.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash, fileHash } from '../../util/node/hash.ts';
import { runApiEmbedder } from '../api-teacher.ts';
import { trainArm } from '../arm.ts';
import type { ModelSettings } from '../build.ts';
import type { RunContext } from '../context.ts';
import { openEmbedder } from '../embed.ts';
import { paramsHash } from '../teacher.ts';
import { type BuiltEncoder, buildEncoder, embedTexts, encoderOfFolder } from './encoder.ts';
import { pairSource, type TextPair } from './pairs.ts';

export type EmbedTeacher = Teacher & { seconds?: number };

const textsOf = (examples: readonly Example[]): string[] => examples.map((e) => e.text ?? '');

/** The program's own teacher, or the recipe's: a folder, an ONNX file, or one trained on the pairs. */
export async function openEmbedTeacher(
  ctx: RunContext,
  pairs: readonly TextPair[],
  texts: readonly string[],
): Promise<EmbedTeacher> {
  if (ctx.teacher) return ctx.teacher;
  const settings = ctx.recipe.teacher as
    | ({ kind: string; path?: string; train: TrainSettings; ensemble?: number } & ModelSettings)
    | undefined;
  const info = { texts, baseDir: ctx.baseDir, at: 'teacher' };
  if (!settings)
    throw new DecantError('recipe', 'the recipe names no teacher', {
      at: 'teacher',
      fix: 'add teacher: { kind: folder, path: … } with a sentence encoder, or { kind: trained, architecture: sentence }',
    });
  if (settings.kind === 'trained') {
    if ((settings.ensemble ?? 1) > 1)
      throw new DecantError('recipe', 'vectors of several teachers cannot be averaged', {
        at: 'teacher.ensemble',
        seen: settings.ensemble,
        allowed: '1',
      });
    if (pairs.length < 2)
      throw new DecantError('data', 'a teacher trained in place learns from pairs, and the data has none', {
        at: 'data.train',
        fix: 'give rows with text and pair, or the folder of a trained sentence encoder as teacher',
      });
    const built = await buildEncoder(settings, info);
    const arm = await trainArm(ctx, {
      name: 'teacher',
      title: 'teacher',
      seed: 1000,
      model: built.model,
      start: built.start,
      method: contrastive,
      config: contrastive.config.parse({}),
      settings: settings.train,
      source: pairSource(built, pairs, settings.train.buckets),
      depends: contentHash(pairs),
    });
    return {
      ...own(ctx, built, arm.params, `${settings.architecture ?? settings.from}, trained in place`),
      seconds: arm.seconds,
    };
  }
  if (settings.kind === 'api') return runApiEmbedder(ctx);
  if (settings.kind !== 'folder' && settings.kind !== 'onnx')
    throw new DecantError('recipe', 'this kind of teacher gives no vectors', {
      at: 'teacher.kind',
      seen: settings.kind,
      allowed: 'trained, folder, hub, onnx, api, custom',
    });
  const path = resolve(ctx.baseDir, settings.path ?? '');
  if (!existsSync(path))
    throw new DecantError('recipe', 'there is nothing at this path', {
      at: 'teacher.path',
      seen: settings.path,
    });
  const folder = settings.kind === 'onnx' ? dirname(dirname(path)) : path;
  if (settings.kind === 'folder' && existsSync(join(path, 'model.safetensors'))) {
    const built = await encoderOfFolder(path, settings, info);
    return own(ctx, built, built.start!, `${built.model.architecture} of ${basename(path)}`);
  }
  return onnxEmbedder(folder);
}

/** The ONNX file of a sentence encoder's folder as a teacher of vectors. */
export async function onnxEmbedder(folder: string): Promise<Teacher> {
  const embedder = await openEmbedder(folder);
  return {
    ...defineTeacher({
      name: `ONNX model of ${basename(folder)}`,
      id: `onnx-embedder:${contentHash(await fileHash(join(folder, 'onnx/model.onnx')))}`,
      hidden: async (examples) => {
        const { vectors } = await embedder.embed(textsOf(examples));
        const width = vectors[0].length;
        const data = new Float32Array(vectors.length * width);
        vectors.forEach((v, i) => {
          data.set(v, i * width);
        });
        return { [SENTENCE]: ndarray(data, [vectors.length, width]) };
      },
      close: () => embedder.close(),
    }),
    signals: ['hidden'],
  };
}

const own = (ctx: RunContext, built: BuiltEncoder, params: Params<NDArray>, name: string): Teacher => ({
  ...defineTeacher({
    name,
    id: `encoder:${contentHash([paramsHash(params), contentHash(built.tokenizer.files), built.maxLength])}`,
    parameters: countParams(built.model.params),
    hidden: async (examples) => ({
      [SENTENCE]: await embedTexts(ctx.engine, built, params, textsOf(examples)),
    }),
  }),
  signals: ['hidden'],
});

/** The teacher's vectors of texts, from the store or asked for: `[texts, width]`. */
export async function teacherVectors(
  ctx: RunContext,
  teacher: Teacher,
  texts: readonly string[],
  what: string,
): Promise<{ vectors: NDArray; asked: number }> {
  const shelf = ctx.signals.shelf({
    teacher: teacher.id,
    signal: 'hidden',
    settings: { paths: [SENTENCE] },
  });
  const task = ctx.progress.task(`teacher: ${what}`, texts.length, 'texts');
  const rows = texts.map((text): Example => ({ file: 'text', line: 0, text }));
  const { hidden, asked } = await storedHidden(teacher, shelf, rows, [SENTENCE], {
    batchSize: 256,
    onProgress: (done) => task.update({ done }),
    check: () => {
      if (ctx.stopRequested())
        throw new DecantError(
          'interrupted',
          'stopped while the teacher was answering; what it said is kept',
          {
            fix: 'go on with: decant resume DIR',
          },
        );
    },
  });
  task.finish();
  return { vectors: hidden[SENTENCE], asked };
}
