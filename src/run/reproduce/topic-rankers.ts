import { topicCollection } from '../../data/generators/topic-rank.ts';
import type { Engine } from '../../engine/engine.ts';
import type { Method } from '../../methods/method.ts';
import { ranknet } from '../../methods/ranking/ranknet.ts';
import { kernelPooling } from '../../nn/models/kernel-pooling.ts';
import { createRng } from '../../util/rng.ts';
import {
  fitRanker,
  listFigures,
  type RankBudget,
  type Ranker,
  scoreLists,
  smallDual,
  smallLate,
  type Triple,
} from './rankers.ts';
import type { Measured, RunContext } from './types.ts';

/** Sizes and budgets on the generated collection. */
export interface TopicSettings {
  queries: number;
  documents: number;
  triples: number;
  /** Share of negatives from the first stage, which are often relevant without a label; the others are random. */
  hard: number;
  teachers: number;
  teacher: RankBudget & { width: number };
  student: RankBudget & { width: number };
  offset: number;
}

export type Form = 'dual' | 'late' | 'kernel';
export type Knowledge = 'none' | 't1' | 't2' | 'offset';

/** A student, what it is trained with, and which scores it sees. */
export interface TopicArm {
  what: string;
  form: Form;
  method: Method;
  knows: Knowledge;
  options?: Record<string, unknown>;
}

/** The generated collection of one seed: training triples with their lists, test lists with grades. */
function topicTask(settings: TopicSettings, seed: number) {
  const collection = topicCollection({
    train: settings.queries,
    documents: settings.documents,
    validation: 0,
    seed: `margin-mse/${seed}`,
  });
  const queries = { rows: collection.queries.map((q) => q.words) };
  const documents = { rows: collection.documents };
  const rng = createRng(`${seed}/triples`);
  const training = collection.queries.slice(0, settings.queries);
  const triples: Triple[] = Array.from({ length: settings.triples }, () => {
    const query = rng.int(training.length);
    const { labelled, candidates } = training[query];
    let negative = labelled;
    while (negative === labelled)
      negative = rng.uniform() < settings.hard ? rng.pick([...candidates]) : rng.int(settings.documents);
    return { query, positive: labelled, negative };
  });
  const lists = triples.map((t) => ({ query: t.query, documents: [t.positive, t.negative] }));
  const test = collection.queries
    .map((q, query) => ({ ...q, query }))
    .filter((q) => q.split === 'test')
    .map((q) => ({ query: q.query, documents: [...q.candidates], grades: q.grades }));
  const grades = test.map((l) => l.documents.map((d) => l.grades[d]));
  const everything = Array.from({ length: settings.documents }, (_, i) => i);
  const all = test.map((l) => ({ query: l.query, documents: everything }));
  return { words: collection.words, queries, documents, triples, lists, test, grades, all };
}

type TopicTask = ReturnType<typeof topicTask>;

const interaction = (words: number, width: number): Ranker =>
  kernelPooling({ vocab_size: words, hidden_size: width, num_hidden_layers: 0 });

/** Teachers of several seeds: their scores of the triples and of the test lists. */
async function trainTeachers(engine: Engine, task: TopicTask, settings: TopicSettings, seed: number) {
  const model = interaction(task.words, settings.teacher.width);
  const onTriples: Float32Array[][] = [];
  const onTest: Float32Array[][] = [];
  for (let i = 0; i < settings.teachers; i++) {
    const own = `${seed}/teacher/${i}`;
    const params = await fitRanker({
      ...task,
      ...settings.teacher,
      engine,
      model,
      method: ranknet,
      seed: own,
      initSeed: `${own}/init`,
    });
    onTriples.push(await scoreLists(engine, model, params, task.queries, task.documents, task.lists));
    onTest.push(await scoreLists(engine, model, params, task.queries, task.documents, task.test));
  }
  return { onTriples, onTest };
}

/** One collection, its triples, three teachers and the mean of their scores, and every arm's student. */
export async function teachOnTopics(
  { engine, tell }: RunContext,
  settings: TopicSettings,
  arms: Readonly<Record<string, TopicArm>>,
  seed: number,
): Promise<Record<string, Measured>> {
  const task = topicTask(settings, seed);
  const { onTriples, onTest } = await trainTeachers(engine, task, settings, seed);
  const results: Record<string, Measured> = {
    teacher: listFigures(onTest[0], task.grades, 3),
    ensemble: listFigures(averaged(onTest), task.grades, 3),
  };
  tell(`teacher ${results.teacher.ndcg.toFixed(3)}, ensemble ${results.ensemble.ndcg.toFixed(3)}`);
  const t2 = averaged(onTriples);
  const known: Record<Knowledge, Float32Array[] | undefined> = {
    none: undefined,
    t1: onTriples[0],
    t2,
    offset: t2.map((s) => s.map((x) => x + settings.offset)),
  };
  const { width } = settings.student;
  const forms: Record<Form, Ranker> = {
    dual: smallDual(task.words, width),
    late: smallLate(task.words, width),
    kernel: interaction(task.words, width),
  };
  for (const [name, arm] of Object.entries(arms)) {
    const model = forms[arm.form];
    const params = await fitRanker({
      ...task,
      ...settings.student,
      engine,
      model,
      method: arm.method,
      options: arm.options,
      scores: known[arm.knows],
      seed: `${seed}/student`,
      initSeed: `${seed}/student/${arm.form}/init`,
    });
    const scored = (lists: typeof task.lists) =>
      scoreLists(engine, model, params, task.queries, task.documents, lists);
    results[name] = listFigures(await scored(task.test), task.grades, 3);
    if (arm.form === 'dual') {
      const everywhere = task.test.map((l) => l.grades);
      results[name] = {
        ...results[name],
        retrieval: listFigures(await scored(task.all), everywhere, 3).ndcg,
      };
    }
    tell(`${name} ${results[name].ndcg.toFixed(3)}`);
  }
  return results;
}

/** Mean of several models' scores, pair by pair. */
const averaged = (members: readonly Float32Array[][]): Float32Array[] =>
  members[0].map((first, i) =>
    first.map((_, j) => members.reduce((sum, m) => sum + m[i][j], 0) / members.length),
  );
