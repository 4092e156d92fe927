import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Example } from '../../data/types.ts';
import type { Bm25, Hits } from '../../evaluate/bm25.ts';
import { readModelFolder } from '../../export/folder.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { ranknet } from '../../methods/ranking/ranknet.ts';
import { countParams, type Params } from '../../nn/params.ts';
import { folderTeacher, onnxTeacher } from '../../teachers/local.ts';
import { defineTeacher, storedLogits, type Teacher } from '../../teachers/teacher.ts';
import type { TrainSettings } from '../../train/job.ts';
import { DecantError } from '../../util/errors.ts';
import { diskFolder } from '../../util/node/disk-folder.ts';
import { contentHash } from '../../util/node/hash.ts';
import { trainArm } from '../arm.ts';
import type { ModelSettings } from '../build.ts';
import type { RunContext } from '../context.ts';
import { paramsHash } from '../teacher.ts';
import { type BuiltRanker, buildRanker, rankerFromConfig, rankerFromFolder } from './build.ts';
import type { Collection } from './collection.ts';
import { pairScores, withFirstStage } from './first-stage.ts';
import { type ListSettings, listSource, trainingLists } from './lists.ts';
import { openScorer } from './score.ts';

interface TrainedSettings extends ModelSettings {
  kind: 'trained';
  train: TrainSettings;
  ensemble: number;
  firstStage: boolean;
}

interface LocalSettings {
  kind: string;
  path?: string;
  maxLength?: number;
  batchSize: number;
}

/** A teacher that scores pairs of query and document: logits `[pairs, 1]`. */
export type RankTeacher = Teacher & { seconds?: number };

/** What a teacher trained in place learns from. */
export interface Lessons {
  readonly collection: Collection;
  readonly index: Bm25;
  readonly firstStage: (query: string) => Hits;
  readonly lists: ListSettings;
}

/** The program's own teacher, or the recipe's. */
export async function openRankTeacher(ctx: RunContext, lessons: Lessons): Promise<RankTeacher> {
  if (ctx.teacher) return ctx.teacher;
  const settings = ctx.recipe.teacher as (LocalSettings & Partial<TrainedSettings>) | undefined;
  if (!settings)
    throw new DecantError('recipe', 'the recipe names no teacher', {
      at: 'teacher',
      fix: 'add teacher: { kind: trained, architecture: cross-encoder } or the folder of a cross-encoder',
    });
  if (settings.kind === 'trained') return trained(ctx, lessons);
  if (settings.kind !== 'folder' && settings.kind !== 'onnx')
    throw new DecantError('recipe', 'this kind of teacher cannot score pairs', {
      at: 'teacher.kind',
      seen: settings.kind,
      allowed: 'trained, folder, hub, onnx, custom',
    });
  const path = resolve(ctx.baseDir, settings.path ?? '');
  if (!existsSync(path))
    throw new DecantError('recipe', 'there is nothing at this path', {
      at: 'teacher.path',
      seen: settings.path,
    });
  const options = { engine: ctx.engine, maxLength: settings.maxLength, batchSize: settings.batchSize };
  if (settings.kind === 'onnx') return onePerPair(await onnxTeacher(path, options), path);
  const folder = await readModelFolder(diskFolder(path), ['config']);
  if (!folder.checkpoint || !rankerFromConfig(folder.config!))
    return onePerPair(await folderTeacher(path, options), path);
  const built = await rankerFromFolder(path, settings, textsOf(ctx, lessons.collection, 'teacher'));
  return scoring(ctx, built, [built.start!], `${built.model.architecture} of ${basename(path)}`);
}

const textsOf = (ctx: RunContext, c: Collection, at: string) => ({
  documents: c.documents,
  queries: [...c.train, ...(c.teacher ?? [])].map((q) => q.text),
  baseDir: ctx.baseDir,
  at,
});

/** A classifier of one output per pair; anything else is no ranker. */
function onePerPair(teacher: Teacher, path: string): Teacher {
  return {
    ...teacher,
    classes: undefined,
    async logits(examples) {
      const out = await teacher.logits!(examples);
      if (out.shape[1] !== 1)
        throw new DecantError('pairing', 'the teacher gives several scores per pair', {
          at: join(path),
          seen: `${out.shape[1]} outputs`,
          allowed: '1: a cross-encoder with one label',
        });
      return out;
    },
  };
}

/** Trains one ranker, or an ensemble whose scores are averaged pair by pair, with RankNet on the labelled lists. */
async function trained(
  ctx: RunContext,
  { collection, index, firstStage, lists }: Lessons,
): Promise<RankTeacher> {
  const settings = ctx.recipe.teacher as unknown as TrainedSettings;
  const own = await buildRanker(settings, textsOf(ctx, collection, 'teacher'));
  const built = settings.firstStage ? withFirstStage(own, pairScores(index, collection.documents)) : own;
  const rows = trainingLists(
    collection.teacher ?? collection.train,
    collection.documents.length,
    firstStage,
    lists,
  ).filter((l) => l.labelled);
  if (rows.length === 0)
    throw new DecantError('data', 'the teacher has no labelled queries to learn from', {
      at: 'data.teacher',
      fix: 'give rows (query, document, relevance), or a teacher that is trained already',
    });
  const source = listSource(built, rows, collection.documents, settings.train.buckets);
  const members: Params<NDArray>[] = [];
  let seconds = 0;
  for (let i = 0; i < settings.ensemble; i++) {
    const arm = await trainArm(ctx, {
      name: settings.ensemble > 1 ? `teacher-${i + 1}` : 'teacher',
      title: settings.ensemble > 1 ? `teacher ${i + 1}/${settings.ensemble}` : 'teacher',
      seed: 1000 + i,
      model: built.model,
      start: built.start,
      method: ranknet,
      config: ranknet.config.parse({}),
      settings: settings.train,
      source,
      depends: contentHash(rows),
    });
    members.push(arm.params);
    seconds += arm.seconds;
  }
  const kind = `${settings.architecture ?? settings.from}${settings.firstStage ? ' with BM25' : ''}`;
  const searched = settings.firstStage ? contentHash(collection.documents) : undefined;
  const name =
    settings.ensemble > 1
      ? `${settings.ensemble} × ${kind}, trained in place, scores averaged`
      : `${kind}, trained in place`;
  return { ...(await scoring(ctx, built, members, name, searched)), seconds };
}

/** Mean raw score of the members, pair by pair. `searched` is the hash of the collection that scores depend on, if they do. */
async function scoring(
  ctx: RunContext,
  built: BuiltRanker,
  members: readonly Params<NDArray>[],
  name: string,
  searched?: string,
): Promise<Teacher> {
  const scorers = await Promise.all(members.map((p) => openScorer(ctx.engine, built, p)));
  return {
    ...defineTeacher({
      name,
      id: `ranker:${contentHash([...members.map(paramsHash), contentHash(built.tokenizer.files), built.queryLength, built.documentLength, ...(searched ? [searched] : [])])}`,
      parameters: countParams(built.model.params) * members.length,
      async logits(examples) {
        const pairs = examples.map((e) => ({ query: e.text ?? '', documents: [e.pair ?? ''] }));
        const out = new Float32Array(examples.length);
        for (const scorer of scorers) {
          const scores = await scorer.score(pairs);
          scores.forEach(([s], i) => {
            out[i] += s / scorers.length;
          });
        }
        return ndarray(out, [examples.length, 1]);
      },
      close: async () => {
        for (const s of scorers) await s.dispose();
      },
    }),
    signals: ['score'],
  };
}

/** Stored scores of pairs: what is known is not asked for again, and what is asked for is written first. */
export function scoreStore(ctx: RunContext, teacher: Teacher, documents: readonly string[]) {
  const shelf = ctx.signals.shelf({ teacher: teacher.id, signal: 'score' });
  let asked = 0;
  return {
    asked: () => asked,
    /** Scores of each list's documents, in a row. */
    async scores(
      lists: readonly { query: string; documents: readonly number[] }[],
      what: string,
    ): Promise<Float32Array> {
      const examples = lists.flatMap((l) =>
        l.documents.map((d): Example => ({ file: 'pair', line: 0, text: l.query, pair: documents[d] })),
      );
      const task = ctx.progress.task(`teacher: ${what}`, examples.length, 'pairs');
      const result = await storedLogits(teacher, shelf, examples, {
        batchSize: Math.max(256, (ctx.recipe.teacher as { batchSize?: number })?.batchSize ?? 64),
        onProgress: (done) => task.update({ done }),
        check: () => {
          if (ctx.stopRequested())
            throw new DecantError(
              'interrupted',
              'stopped while the teacher was scoring; its scores are kept',
              { fix: 'go on with: decant resume DIR' },
            );
        },
      });
      asked += result.asked;
      task.finish(
        result.asked < examples.length
          ? `${examples.length - result.asked} of ${examples.length} from the store or twice`
          : '',
      );
      return result.logits.data as Float32Array;
    },
  };
}
