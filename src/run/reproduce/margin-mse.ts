import { topicCollection } from '../../data/generators/topic-rank.ts';
import type { Method } from '../../methods/method.ts';
import { marginMseDistillation } from '../../methods/ranking/margin-mse.ts';
import { ranknet } from '../../methods/ranking/ranknet.ts';
import { ranknetKd } from '../../methods/ranking/ranknet-kd.ts';
import { scoreMse } from '../../methods/ranking/score-mse.ts';
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
import { type Criterion, defineReproduction, type Measured } from './types.ts';

export interface MarginMseSettings {
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

type Form = 'dual' | 'late' | 'kernel';
type Knowledge = 'none' | 't1' | 't2' | 'offset';

interface Arm {
  what: string;
  form: Form;
  method: Method;
  knows: Knowledge;
  options?: Record<string, unknown>;
}

const ARMS: Record<string, Arm> = {
  ranknet: { what: 'dual encoder, RankNet on the labels', form: 'dual', method: ranknet, knows: 'none' },
  pointwise: { what: 'dual encoder, pointwise MSE, T2', form: 'dual', method: scoreMse, knows: 't2' },
  pointwise20: {
    what: 'dual encoder, pointwise MSE, T2 with 20 added to its scores',
    form: 'dual',
    method: scoreMse,
    knows: 'offset',
  },
  mseRanknet: {
    what: 'dual encoder, pointwise MSE + RankNet, T2',
    form: 'dual',
    method: scoreMse,
    knows: 't2',
    options: { ranknet: 1 },
  },
  weighted: {
    what: 'dual encoder, RankNet weighted by the margins of T2',
    form: 'dual',
    method: ranknetKd,
    knows: 't2',
  },
  margin1: { what: 'dual encoder, Margin-MSE, T1', form: 'dual', method: marginMseDistillation, knows: 't1' },
  margin2: { what: 'dual encoder, Margin-MSE, T2', form: 'dual', method: marginMseDistillation, knows: 't2' },
  margin20: {
    what: 'dual encoder, Margin-MSE, T2 with 20 added to its scores',
    form: 'dual',
    method: marginMseDistillation,
    knows: 'offset',
  },
  lateRanknet: { what: 'late interaction, RankNet', form: 'late', method: ranknet, knows: 'none' },
  lateMargin: {
    what: 'late interaction, Margin-MSE, T2',
    form: 'late',
    method: marginMseDistillation,
    knows: 't2',
  },
  kernelRanknet: { what: 'kernel pooling, RankNet', form: 'kernel', method: ranknet, knows: 'none' },
  kernelMargin: {
    what: 'kernel pooling, Margin-MSE, T2',
    form: 'kernel',
    method: marginMseDistillation,
    knows: 't2',
  },
};

const above = (
  says: string,
  arm: string,
  against: string[],
  atLeast: number,
  role: Criterion['role'] = 'secondary',
  metric = 'ndcg',
): Criterion => ({ says, metric, arm, against, better: 'higher', by: { atLeast }, role });

/** Margin-MSE on a generated collection with known relevance: interaction models teach small dual encoders. */
export const marginMse = defineReproduction<MarginMseSettings>({
  slug: 'margin-mse',
  paper:
    'Margin-MSE with an ensemble of cross-encoders (T2) lifts every student: MRR@10 of re-ranking MSMARCO .316 to .332 for a dual encoder, .357 to .375 for ColBERT, .315 to .341 for TK; it is the best loss throughout, pointwise MSE is unreliable, weighted RankNet gains little.',
  claim:
    'For a dual encoder, Margin-MSE with the mean of three teachers gives an nDCG@10 at least 0.02 above RankNet on the labels, and at least 0.02 above pointwise MSE on the same scores with an offset of 20.',
  data: ['builtin:topic-rank'],
  settings: {
    queries: 2000,
    documents: 1500,
    triples: 20_000,
    hard: 0.7,
    teachers: 3,
    teacher: { width: 16, epochs: 2, batch: 64, lr: 1e-2 },
    student: { width: 12, epochs: 8, batch: 64, lr: 3e-3 },
    offset: 20,
  },
  quick: { queries: 1000, documents: 800, triples: 6000 },
  seeds: [1, 2, 3, 4, 5],
  arms: {
    teacher: 'kernel pooling, 16 wide, RankNet on the labels (T1)',
    ensemble: 'mean score of three of them (T2)',
    ...Object.fromEntries(Object.entries(ARMS).map(([n, a]) => [n, a.what])),
  },
  metrics: {
    ndcg: 'nDCG@10 (linear gain) of 100 test queries, re-ranking 100 candidates',
    mrr: 'MRR@10 of the same, grade 3 counts as relevant',
    retrieval: 'nDCG@10 over all documents (dual encoders)',
  },
  criteria: [
    above('Margin-MSE (T2) is 0.02 above RankNet', 'margin2', ['ranknet'], 0.02, 'main'),
    above(
      'Margin-MSE (T2) is 0.02 above pointwise MSE with an offset',
      'margin2',
      ['pointwise20'],
      0.02,
      'main',
    ),
    above('Margin-MSE gains more from the ensemble than from one teacher', 'margin2', ['margin1'], 0),
    above('Margin-MSE (T2) is not below weighted RankNet', 'margin2', ['weighted'], 0),
    above('Margin-MSE (T2) is not below pointwise MSE + RankNet', 'margin2', ['mseRanknet'], 0),
    above('Margin-MSE (T2) is not below pointwise MSE without an offset', 'margin2', ['pointwise'], 0),
    above('weighted RankNet gains over RankNet', 'weighted', ['ranknet'], 0),
    above('late interaction gains from Margin-MSE too', 'lateMargin', ['lateRanknet'], 0),
    above('kernel pooling gains from Margin-MSE too', 'kernelMargin', ['kernelRanknet'], 0),
    above('Margin-MSE (T2) has a higher MRR@10 than RankNet', 'margin2', ['ranknet'], 0, 'secondary', 'mrr'),
    above(
      'the gain holds in dense retrieval over all documents',
      'margin2',
      ['ranknet'],
      0,
      'secondary',
      'retrieval',
    ),
    {
      says: 'an offset of the teacher changes nothing for Margin-MSE',
      metric: 'ndcg',
      arm: 'margin20',
      against: ['margin2'],
      better: 'higher',
      by: { within: 0.005 },
      role: 'secondary',
    },
  ],
  pilot: {
    figures: {
      teacher: '≈ 0.73',
      ensemble: '0.78 to 0.80',
      ranknet: '0.405 ± 0.017',
      pointwise: '0.448 ± 0.028',
      pointwise20: '≈ 0.29',
      weighted: '0.413, 0.433',
      margin1: '0.432 ± 0.001',
      margin2: '0.439 ± 0.009',
    },
    differs:
      'a reference implementation in another framework, three other seeds: its draws of words, documents and triples are others. All arms lie lower here, the teachers too (by 0.08): the collection drawn is harder. The distances between arms agree, but that of pointwise MSE with an offset, which loses 0.02 here and 0.15 there',
  },
  differs: [
    'a generated collection of short texts instead of MSMARCO; relevance is known, grades are not judged by people',
    'kernel-pooling models instead of BERT cross-encoders as teachers; the ensemble is of three seeds, not of three architectures',
    'students of word vectors instead of DistilBERT; no PreTTR student; Cranfield is left out: on its 135 training queries models made from scratch stay far below BM25 (docs/ranking.md)',
    'a fixed number of epochs for every arm, the last step counts: no early stopping, no plateau schedule',
    'each seed has its own collection, triples, teachers and initial weights; its arms share them',
  ],
  async run({ engine, tell }, settings, seed) {
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
    const score = (model: Ranker, params: Parameters<typeof scoreLists>[2], of: typeof lists) =>
      scoreLists(engine, model, params, queries, documents, of);

    const results: Record<string, Measured> = {};
    const interaction = (width: number): Ranker =>
      kernelPooling({ vocab_size: collection.words, hidden_size: width, num_hidden_layers: 0 });
    const teacher = interaction(settings.teacher.width);
    const onTriples: Float32Array[][] = [];
    const onTest: Float32Array[][] = [];
    for (let i = 0; i < settings.teachers; i++) {
      const params = await fitRanker({
        ...settings.teacher,
        engine,
        model: teacher,
        method: ranknet,
        queries,
        documents,
        triples,
        seed: `${seed}/teacher/${i}`,
        initSeed: `${seed}/teacher/${i}/init`,
      });
      onTriples.push(await score(teacher, params, lists));
      onTest.push(await score(teacher, params, test));
    }
    results.teacher = listFigures(onTest[0], grades, 3);
    results.ensemble = listFigures(averaged(onTest), grades, 3);
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
      dual: smallDual(collection.words, width),
      late: smallLate(collection.words, width),
      kernel: interaction(width),
    };
    for (const [name, arm] of Object.entries(ARMS)) {
      const model = forms[arm.form];
      const params = await fitRanker({
        ...settings.student,
        engine,
        model,
        method: arm.method,
        options: arm.options,
        queries,
        documents,
        triples,
        scores: known[arm.knows],
        seed: `${seed}/student`,
        initSeed: `${seed}/student/${arm.form}/init`,
      });
      const figures = listFigures(await score(model, params, test), grades, 3);
      const dense =
        arm.form === 'dual' &&
        listFigures(
          await score(model, params, all),
          test.map((l) => l.grades),
          3,
        );
      results[name] = { ...figures, ...(dense ? { retrieval: dense.ndcg } : {}) };
      tell(`${name} ${results[name].ndcg.toFixed(3)}`);
    }
    return results;
  },
});

/** Mean of several models' scores, pair by pair. */
const averaged = (members: readonly Float32Array[][]): Float32Array[] =>
  members[0].map((first, i) =>
    first.map((_, j) => members.reduce((sum, m) => sum + m[i][j], 0) / members.length),
  );
