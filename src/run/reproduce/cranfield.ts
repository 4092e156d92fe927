import { heldSet } from '../../data/example-set.ts';
import type { Example } from '../../data/types.ts';
import type { Engine } from '../../engine/engine.ts';
import type { NDArray } from '../../graph/index.ts';
import type { Method } from '../../methods/method.ts';
import { distillation } from '../../methods/objective.ts';
import { init } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { adam } from '../../optim/index.ts';
import { train } from '../../train/loop.ts';
import type { BuiltRanker } from '../rank/build.ts';
import { type Collection, collectionOf } from '../rank/collection.ts';
import { listSource, type RankList } from '../rank/lists.ts';
import { openScorer } from '../rank/score.ts';
import { FIRST_TUNING_SEED } from './reproduce.ts';
import { datasetRows } from './rows.ts';

export interface TextBudget {
  readonly steps: number;
  readonly lr: number;
}

/** Queries at places 3 modulo 5 (the set's validation part) are for tuning; the others are tested on, a fold per seed. */
export async function foldCollection(dataRoot: string | undefined, seed: number): Promise<Collection> {
  const part = async (split: string): Promise<Example[]> =>
    (await datasetRows('cranfield', split, dataRoot))
      .filter((v) => v.document)
      .map((v) => ({
        file: 'cranfield',
        line: 0,
        ...(v.query === undefined ? {} : { text: String(v.query), score: Number(v.relevance) }),
        pair: String(v.document),
      }));
  const documents = await part('documents');
  const tuning = await part('validation');
  const others = [...(await part('train')), ...(await part('test'))];
  const places = new Map([...new Set(others.map((e) => e.text))].map((text, i) => [text, i]));
  const tested = (e: Example): boolean => places.get(e.text)! % 5 === seed % 5;
  const test = seed >= FIRST_TUNING_SEED ? tuning : others.filter(tested);
  const training = seed >= FIRST_TUNING_SEED ? others : [...others.filter((e) => !tested(e)), ...tuning];
  return collectionOf({
    splits: { train: heldSet(training), test: heldSet(test), unlabeled: heldSet(documents) },
  });
}

/** A teacher's scores of the documents of every row, row by row. */
export async function scoresOf(
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
  rows: readonly RankList[],
  documents: readonly string[],
): Promise<Float32Array> {
  const scorer = await openScorer(engine, built, params);
  try {
    const texts = rows.map((l) => ({ query: l.query, documents: l.documents.map((d) => documents[d]) }));
    return Float32Array.from((await scorer.score(texts)).flatMap((list) => [...list]));
  } finally {
    await scorer.dispose();
  }
}

/** Rows to learn from, with the teacher's scores of them where the method has a teacher. */
export interface Lesson {
  readonly method: Method;
  readonly lists: readonly RankList[];
  readonly scores?: Float32Array;
}

interface TextFit extends Lesson, TextBudget {
  readonly engine: Engine;
  readonly documents: readonly string[];
  readonly batch: number;
  readonly seed: string;
}

/** Trains with Adam at a rate that falls to 0, and gives the weights of the last step. */
export async function fitOnTexts(built: BuiltRanker, f: TextFit): Promise<Params<NDArray>> {
  const objective = distillation(built.model, f.method, f.method.config.parse({}));
  const { params } = await train({
    engine: f.engine,
    objective,
    params: { ...init({ ...built.model, params: objective.params }, f.seed), ...built.start },
    source: listSource(built, f.lists, f.documents, 4, f.scores),
    batchSize: f.batch,
    steps: f.steps,
    optimizer: adam(),
    lr: (step) => f.lr * (1 - step / f.steps),
    seed: f.seed,
  });
  return params;
}
