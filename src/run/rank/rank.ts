import { createBm25 } from '../../evaluate/bm25.ts';
import type { ReportData } from '../../evaluate/report/data.ts';
import type { NDArray } from '../../graph/index.ts';
import type { Method } from '../../methods/method.ts';
import { ranknet } from '../../methods/ranking/ranknet.ts';
import type { Params } from '../../nn/params.ts';
import { rankingSection } from '../../recipe/schema/data.ts';
import { type TrainSettings, updatesFor } from '../../train/job.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import {
  type ArmPlan,
  type Students,
  studentFacts,
  studentRoles,
  teacherFacts,
  trainPlanned,
  trainStudents,
} from '../arms.ts';
import type { ModelSettings } from '../build.ts';
import type { RunContext, RunOutcome } from '../context.ts';
import { addFileSizes, intervalOptions, reportOf, seedWarnings, unlabelledFacts } from '../report-parts.ts';
import { type BuiltRanker, buildRanker } from './build.ts';
import type { RankData } from './collection.ts';
import { exportRanker, targetOf } from './export.ts';
import { firstStageOf, type ListSettings, listSource, type RankList, trainingLists } from './lists.ts';
import {
  measureFirstStage,
  measureRanker,
  measureStudent,
  type QueryScores,
  queryLatency,
  type TestBed,
  teacherLatency,
  testBed,
} from './measure.ts';
import { pseudoQueries } from './pseudo-queries.ts';
import {
  type MeasuredRanker,
  rankComparisons,
  rankExamples,
  rankHeadline,
  rankMetrics,
  rankValues,
} from './report.ts';
import { openScorer } from './score.ts';
import { isDense } from './search.ts';
import { openRankTeacher, type RankTeacher, scoreStore } from './teacher.ts';

/** A ranker from a collection and a teacher to a student folder. */
export async function runRanking(
  ctx: RunContext,
  method: Method,
  methodConfig: unknown,
  atEnd: (close: () => void | Promise<void>) => void,
): Promise<RunOutcome> {
  const { recipe } = ctx;
  const began = performance.now();
  const { collection } = ctx.data as RankData;
  const { pseudo, ...ranking } = rankingSection.parse(recipe.data.ranking ?? {});
  const settings: ListSettings = { ...ranking, seed: recipe.data.seed };
  const index = createBm25(collection.documents);
  const firstStage = firstStageOf(index, settings.depth);
  const built = await buildRanker(recipe.student as ModelSettings, {
    documents: collection.documents,
    queries: collection.train.map((q) => q.text),
    baseDir: ctx.baseDir,
    at: 'student',
  });
  const queries = [...collection.train, ...pseudoQueries(collection.documents, pseudo, recipe.data.seed)];
  const lists = trainingLists(queries, collection.documents.length, firstStage, settings);
  if (lists.length === 0)
    throw new DecantError('data', 'no training row could be made', {
      at: 'data.ranking',
      seen: `${collection.train.length} queries, ${collection.documents.length} documents`,
      fix: 'give more documents (data.unlabeled: a file with a column document), or fewer data.ranking.negatives',
    });
  const teacher = await openRankTeacher(ctx, { collection, index, firstStage, lists: settings });
  atEnd(() => teacher.close());
  const store = scoreStore(ctx, teacher, collection.documents);
  const bed = testBed(collection.documents, collection.test, firstStage, settings.depth);
  const knowledge = method.needs.signals.length > 0 ? await store.scores(lists, 'training rows') : undefined;
  const onTest = await store.scores(
    bed.queries.map((q, i) => ({ query: q.text, documents: [...bed.candidates[i]] })),
    'test rows',
  );
  ctx.journal.event('signals', { rows: lists.length, asked: store.asked() });

  const students = await trainRankers(ctx, built, { lists, knowledge, method, methodConfig, teacher });
  const options = intervalOptions(recipe);
  const arms = await measureAll(ctx, { built, bed, students, teacher, onTest, index, options });
  const [first] = students.distilled;
  const exported = await exportRanker(targetOf(ctx), built, first.params, bed);
  addFileSizes(arms, exported.files);
  const find = (role: string): MeasuredRanker => arms.find((a) => a.role === role)!;
  const report = await reportOf(ctx, method, began, {
    metric: 'ndcg',
    metrics: rankMetrics(bed.depth),
    headline: rankHeadline(arms, isDense(built.model), bed.depth, options),
    arms: arms.map(({ scores: _, ...arm }) => arm),
    comparisons: rankComparisons(arms, options),
    examples: rankExamples(
      bed,
      find('teacher').scores[0],
      find('distilled').scores[0],
      recipe.evaluate.examples,
    ),
    data: facts(ctx, lists),
    warnings: warnings(ctx, lists),
  });
  return { report, model: { folder: ctx.folder.model, ...exported }, askedOfTeacher: store.asked() };
}

interface Jobs {
  lists: readonly RankList[];
  knowledge?: Float32Array;
  method: Method;
  methodConfig: unknown;
  teacher: RankTeacher;
}

/** The distilled student and the same student on the labels alone, for every seed, with equal numbers of updates. */
function trainRankers(ctx: RunContext, built: BuiltRanker, jobs: Jobs): Promise<Students> {
  const settings = ctx.recipe.train as unknown as TrainSettings;
  const { documents } = (ctx.data as RankData).collection;
  const source = listSource(built, jobs.lists, documents, settings.buckets, jobs.knowledge);
  const labelled = jobs.lists.filter((l) => l.labelled);
  const shared = {
    model: built.model,
    start: built.start,
    settings,
    lora: ctx.recipe.student.lora,
    updates: updatesFor(settings, source.size),
    watch: () => validation(ctx, built),
  };
  const distilled: ArmPlan = {
    ...shared,
    method: jobs.method,
    config: jobs.methodConfig,
    source,
    probe: jobs.knowledge !== undefined,
    depends: contentHash([jobs.lists, jobs.teacher.id, built.tokenizer.files]),
  };
  const alone = (): ArmPlan => ({
    ...shared,
    method: ranknet,
    config: ranknet.config.parse({}),
    source: listSource(built, labelled, documents, settings.buckets),
    depends: contentHash(jobs.lists),
  });
  return trainStudents(ctx, {
    distilled: (named, probe) => trainPlanned(ctx, distilled, named, probe),
    ...(labelled.length === 0 ? {} : { alone: (named) => trainPlanned(ctx, alone(), named) }),
  });
}

/** nDCG@10 of re-ranking BM25's documents of the validation queries; what is watched is 1 - nDCG. */
async function validation(ctx: RunContext, built: BuiltRanker) {
  const { collection } = ctx.data as RankData;
  const queries = collection.validation.slice(0, 200);
  if (queries.length === 0) return undefined;
  const { depth } = rankingSection.parse(ctx.recipe.data.ranking ?? {});
  const bed = testBed(
    collection.documents,
    queries,
    firstStageOf(createBm25(collection.documents), depth),
    depth,
  );
  let scorer: Awaited<ReturnType<typeof openScorer>> | undefined;
  return {
    metric: 'loss',
    run: async (params: Params<NDArray>) => {
      if (scorer) await scorer.setParams(params);
      else scorer = await openScorer(ctx.engine, built, params);
      const lists = bed.queries.map((q, i) => ({
        query: q.text,
        documents: Array.from(bed.candidates[i], (d) => bed.documents[d]),
      }));
      const scores = await scorer.score(lists);
      const { rerankNdcg, rerankMrr } = await measureRanker(bed, { candidates: async (i) => scores[i] });
      const mean = (a: Float64Array): number => a.reduce((x, y) => x + y, 0) / a.length;
      return { loss: 1 - mean(rerankNdcg), ndcg: mean(rerankNdcg), mrr: mean(rerankMrr) };
    },
    dispose: async () => scorer?.dispose(),
  };
}

interface ToMeasure {
  built: BuiltRanker;
  bed: TestBed;
  students: Students;
  teacher: RankTeacher;
  onTest: Float32Array;
  index: ReturnType<typeof createBm25>;
  options: { resamples: number; level: number };
}

async function measureAll(ctx: RunContext, m: ToMeasure): Promise<MeasuredRanker[]> {
  const { bed, built, options } = m;
  const at = bed.candidates.map((_, i) => bed.candidates.slice(0, i).reduce((n, c) => n + c.length, 0));
  const taught = await measureRanker(bed, {
    candidates: async (i) => m.onTest.subarray(at[i], at[i] + bed.candidates[i].length),
  });
  const local = m.teacher.parameters !== undefined;
  const arms: MeasuredRanker[] = [
    {
      ...teacherFacts(m.teacher),
      // a teacher that is not a model on this machine may cost money: it is not asked again only to be timed
      latency: local
        ? await teacherLatency(
            ctx,
            (i) =>
              m.teacher.logits!(
                Array.from(bed.candidates[i], (d) => ({
                  file: 'pair',
                  line: 0,
                  text: bed.queries[i].text,
                  pair: bed.documents[d],
                })),
              ),
            bed,
          )
        : undefined,
      values: rankValues([taught], undefined, options),
      scores: [taught],
    },
  ];
  for (const role of studentRoles) {
    const list = m.students[role];
    if (list.length === 0) continue;
    const scores: QueryScores[] = [];
    for (const s of list)
      scores.push(await measureStudent(ctx, built, s.params, bed, `test queries, ${role}, seed ${s.seed}`));
    arms.push({
      ...studentFacts(ctx, role, list, built.model),
      latency: role === 'distilled' ? await queryLatency(ctx, built, list[0].params, bed) : undefined,
      values: rankValues(scores, taught, options),
      scores,
    });
  }
  if (ctx.recipe.evaluate.baselines.linear) {
    const scores = await measureFirstStage(bed, m.index);
    arms.push({
      id: 'bm25',
      role: 'linear',
      name: 'BM25',
      about: 'k1 1.2, b 0.75, no stemming',
      seeds: ['-'],
      values: rankValues([scores], taught, options),
      scores: [scores],
    });
  }
  return arms;
}

/** Rows of the data as read, and what was made of them. */
function facts(ctx: RunContext, lists: readonly RankList[]): ReportData['data'] {
  const { collection } = ctx.data as RankData;
  const base = unlabelledFacts(ctx.data);
  return {
    ...base,
    splits: [
      ...base.splits,
      { name: 'documents', rows: collection.documents.length, about: 'the collection, equal texts once' },
      { name: 'training queries', rows: new Set(lists.map((l) => l.query)).size },
      {
        name: 'training rows',
        rows: lists.length,
        labelled: lists.filter((l) => l.labelled).length,
        about: `a document with ${lists[0].documents.length - 1} others`,
      },
      { name: 'test queries', rows: collection.test.length },
    ],
  };
}

function warnings(ctx: RunContext, lists: readonly RankList[]): string[] {
  const { collection } = ctx.data as RankData;
  const out: string[] = [];
  if (collection.unanswerable > 0)
    out.push(
      `${collection.unanswerable} test queries have no relevant document and are left out of all figures.`,
    );
  if (collection.test.length < 100)
    out.push(`${collection.test.length} test queries are few: intervals are wide.`);
  if (!lists.some((l) => l.labelled))
    out.push('No training row has a label: there is no student without a teacher.');
  return [...out, ...seedWarnings(ctx.recipe)];
}
