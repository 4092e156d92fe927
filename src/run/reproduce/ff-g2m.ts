import { ffG2m as method } from '../../methods/graph/ff-g2m.ts';
import { kd, supervised } from '../../methods/logits/kd.ts';
import type { Method } from '../../methods/method.ts';
import type { AnyModel } from '../../nn/model.ts';
import { gat } from '../../nn/models/gat.ts';
import { gcn } from '../../nn/models/gcn.ts';
import { mlp } from '../../nn/models/mlp.ts';
import { graphSage } from '../../nn/models/sage.ts';
import {
  type Citations,
  fitNodes,
  hideTestNodes,
  type NodeBudget,
  nodeLogits,
  openCitations,
} from './citations.ts';
import { type Criterion, defineReproduction, type Measured, type RunContext } from './types.ts';

type TeacherName = 'gcn' | 'sage' | 'gat';
type StudentName = 'glnn' | 'low' | 'high' | 'ff-g2m';

interface Settings extends NodeBudget {
  width: number;
  /** After each hidden layer, of teacher and student. */
  dropout: number;
  /** Width of one of GAT's heads, of which there are 8. */
  gatHidden: number;
  gatDropout: number;
  lambda: number;
  temperature: number;
  /** Teachers of each data set, the students of each teacher. */
  pairs: Record<string, Pairs>;
  /** The same where a share of the test nodes is hidden from all training, and alone measured. */
  hidden: { share: number; pairs: Record<string, Pairs> };
}

type Pairs = Partial<Record<TeacherName, StudentName[]>>;

const EVERY: StudentName[] = ['glnn', 'low', 'high', 'ff-g2m'];
const PAIR: StudentName[] = ['glnn', 'ff-g2m'];

const STUDENTS: Record<StudentName, { what: string; method: Method; options: (s: Settings) => object }> = {
  glnn: {
    what: 'MLP with node-wise KD (GLNN)',
    method: kd,
    options: (s) => ({ alpha: s.lambda, temperature: 1 }),
  },
  low: { what: 'MLP with the low-frequency term alone', method, options: (s) => ours(s, 'low') },
  high: { what: 'MLP with the high-frequency term alone', method, options: (s) => ours(s, 'high') },
  'ff-g2m': { what: 'MLP with FF-G2M', method, options: (s) => ours(s, 'both') },
};
const ours = ({ lambda, temperature }: Settings, terms: string) => ({ lambda, temperature, terms });

const TITLES: Record<string, string> = {
  cora: 'Cora',
  citeseer: 'Citeseer',
  'cora-new': 'Cora, hidden nodes',
  gcn: 'GCN',
  sage: 'GraphSAGE',
  gat: 'GAT',
};

const settings: Settings = {
  width: 64,
  dropout: 0.5,
  gatHidden: 8,
  gatDropout: 0.6,
  lambda: 0.1,
  temperature: 1.5,
  lr: 0.01,
  weightDecay: 5e-4,
  epochs: 200,
  evalEvery: 10,
  pairs: {
    cora: { gcn: EVERY, sage: PAIR, gat: PAIR },
    citeseer: { gcn: EVERY },
  },
  hidden: { share: 0.2, pairs: { cora: { gcn: PAIR } } },
};

const POOLED = { teacher: 'teachers', mlp: 'MLPs alone', glnn: 'GLNN', 'ff-g2m': 'FF-G2M' } as const;

const armNames = (s: Settings): Record<string, string> => {
  const arms: Record<string, string> = {};
  const hidden = Object.entries(s.hidden.pairs).map(([set, pairs]) => [`${set}-new`, pairs] as const);
  for (const [set, teachers] of [...Object.entries(s.pairs), ...hidden]) {
    arms[`${set}-mlp`] = `${TITLES[set]}: MLP with labels alone`;
    for (const [teacher, students] of Object.entries(teachers)) {
      arms[`${set}-${teacher}`] = `${TITLES[set]}: ${TITLES[teacher]}, the teacher`;
      for (const student of students)
        arms[`${set}-${teacher}-${student}`] =
          `${TITLES[set]}: ${STUDENTS[student].what}, ${TITLES[teacher]} teacher`;
    }
  }
  for (const [name, what] of Object.entries(POOLED)) arms[`mean-${name}`] = `${what}, mean over all pairs`;
  return arms;
};

const versus = (
  says: string,
  arm: string,
  against: string[],
  atLeast: number,
  role: Criterion['role'],
  metric = 'accuracy',
): Criterion => ({ says, metric, arm, against, better: 'higher', by: { atLeast }, role });

/** The three parts of the claim, on one data set. */
const claims = (set: string, role: Criterion['role'], metric: string, when: string): Criterion[] => {
  const arm = `${set}-gcn-ff-g2m`;
  const on = `${TITLES[set]}${when}: FF-G2M`;
  return [
    versus(
      `${on} is at least 10 points above an MLP without a teacher`,
      arm,
      [`${set}-mlp`],
      10,
      role,
      metric,
    ),
    versus(`${on} is not more than 0.5 points below GLNN`, arm, [`${set}-gcn-glnn`], -0.5, role, metric),
    versus(`${on} is not more than 3 points below its GCN teacher`, arm, [`${set}-gcn`], -3, role, metric),
  ];
};

/** FF-G2M on Cora and Citeseer: 20 labels per class, MLPs that see features alone. */
export const ffG2m = defineReproduction<Settings>({
  slug: 'ff-g2m',
  paper:
    'Averaged over 6 data sets and 3 teacher architectures FF-G2M is 12.6 points above MLPs without a teacher and 2.6 points above its teachers; it is above GLNN; the low- and the high-frequency term each help alone and are best together.',
  claim:
    'On citation graphs with 20 labels per class, an MLP taught by FF-G2M is at least 10 points above one without a teacher, not more than 0.5 points below GLNN, and not more than 3 points below its GCN teacher.',
  data: ['dataset:planetoid-cora', 'dataset:planetoid-citeseer'],
  settings,
  quick: { epochs: 40 },
  seeds: [7, 8, 9],
  arms: armNames(settings),
  metrics: {
    accuracy: 'test accuracy after the last epoch, %',
    selected: "test accuracy at the best validation epoch, %, the paper's protocol",
  },
  criteria: [
    ...claims('cora', 'main', 'accuracy', ''),
    ...claims('citeseer', 'main', 'accuracy', ''),
    ...claims('cora', 'secondary', 'selected', ', best validation epoch'),
    ...claims('citeseer', 'secondary', 'selected', ', best validation epoch'),
    ...claims('cora-new', 'secondary', 'accuracy', ''),
    versus(
      'mean over pairs: FF-G2M is above MLPs without a teacher',
      'mean-ff-g2m',
      ['mean-mlp'],
      10,
      'secondary',
    ),
    versus(
      'mean over pairs: FF-G2M is not below its teachers',
      'mean-ff-g2m',
      ['mean-teacher'],
      0,
      'secondary',
    ),
    versus('mean over pairs: FF-G2M is not below GLNN', 'mean-ff-g2m', ['mean-glnn'], 0, 'secondary'),
    ...['cora', 'citeseer'].flatMap((set) => [
      versus(
        `${TITLES[set]}: the low-frequency term helps alone`,
        `${set}-gcn-low`,
        [`${set}-mlp`],
        0,
        'secondary',
      ),
      versus(
        `${TITLES[set]}: the high-frequency term helps alone`,
        `${set}-gcn-high`,
        [`${set}-mlp`],
        0,
        'secondary',
      ),
      versus(
        `${TITLES[set]}: both terms together are not below either alone`,
        `${set}-gcn-ff-g2m`,
        [`${set}-gcn-low`, `${set}-gcn-high`],
        0,
        'secondary',
      ),
    ]),
  ],
  pilot: {
    figures: {
      'cora-gcn': '81.6 (selected)',
      'cora-mlp': '58.4 (selected)',
      'cora-gcn-glnn': '79.0 (selected)',
      'cora-gcn-low': '80.0 (selected)',
      'cora-gcn-high': '62.9 (selected)',
      'cora-gcn-ff-g2m': '79.6 (selected)',
    },
    differs:
      'a reference implementation in another framework, two seeds, at most 300 epochs with a look at the validation nodes after each: other initial weights and dropout',
  },
  differs: [
    'two of the six data sets; GraphSAGE and GAT teachers on Cora alone; the inductive setting on Cora with a GCN teacher',
    'hidden width 64 and λ 0.1 for all, instead of widths 256 to 2048 and λ tuned per data set and teacher',
    '200 epochs for every arm with a look at the held-out nodes every 10, instead of at most 500 with early stopping; the teacher is the one of the best validation epoch; three seeds instead of five',
    'an earlier run of 120 epochs (seeds 2 to 6) ended before the students had settled: on a tuning seed another 120 added 0.8 points to FF-G2M and nothing to GLNN. The thresholds are the same, the seeds are new',
  ],
  async run(context, s, seed) {
    const results: Record<string, Measured> = {};
    const sums: Record<string, Measured[]> = {};
    const arm = (name: string, m: Measured): Measured => {
      context.tell(`${name} ${m.accuracy.toFixed(1)} (${m.selected.toFixed(1)})`);
      results[name] = m;
      return m;
    };
    const pool = (name: keyof typeof POOLED, m: Measured): void => {
      sums[name] = [...(sums[name] ?? []), m];
    };
    for (const [set, pairs] of Object.entries(s.pairs)) {
      const data = await openCitations(`dataset:planetoid-${set}`, context.dataRoot);
      await onGraph(context, s, seed, { set, data, pairs, arm, pool });
      const again = s.hidden.pairs[set];
      if (!again) continue;
      const part = hideTestNodes(data, s.hidden.share, `${seed}/hidden`);
      await onGraph(context, s, seed, { set: `${set}-new`, data: part, pairs: again, arm });
    }
    const mean = (list: Measured[], metric: string): number =>
      list.reduce((a, m) => a + m[metric], 0) / list.length;
    for (const [name, list] of Object.entries(sums))
      results[`mean-${name}`] = { accuracy: mean(list, 'accuracy'), selected: mean(list, 'selected') };
    return results;
  },
});

interface OneGraph {
  readonly set: string;
  readonly data: Citations;
  readonly pairs: Pairs;
  /** Keeps the figures of an arm. */
  arm(name: string, m: Measured): Measured;
  /** Adds them to a mean over pairs. */
  pool?(name: keyof typeof POOLED, m: Measured): void;
}

/** The arms of one graph: an MLP alone, teachers, and the students of each. */
async function onGraph(
  { engine }: RunContext,
  s: Settings,
  seed: number,
  { set, data, pairs, arm, pool }: OneGraph,
): Promise<void> {
  const base = { ...s, engine, data, seed: `${seed}/student`, initSeed: `${seed}/student/init` };
  const small = mlp({
    inputs: data.graph.features,
    hidden: [s.width],
    outputs: data.graph.classes.length,
    dropout: s.dropout,
  });
  const alone = arm(`${set}-mlp`, (await fitNodes({ ...base, model: small, method: supervised })).measured);
  for (const [name, students] of Object.entries(pairs)) {
    const big = teacherModel(name as TeacherName, s, data);
    const id = `${set}-${name}`;
    const { measured, best } = await fitNodes({
      ...base,
      model: big,
      method: supervised,
      seed: `${seed}/teacher`,
      initSeed: `${seed}/teacher/init`,
    });
    const teacher = arm(id, measured);
    pool?.('teacher', teacher);
    pool?.('mlp', alone);
    const knowledge = await nodeLogits(engine, big, best, data);
    for (const student of students) {
      const { method, options } = STUDENTS[student];
      const spec = { ...base, model: small, method, options: { ...options(s) }, knowledge };
      const m = arm(`${id}-${student}`, (await fitNodes(spec)).measured);
      if (student === 'glnn' || student === 'ff-g2m') pool?.(student, m);
    }
  }
}

function teacherModel(name: TeacherName, s: Settings, { graph }: Citations): AnyModel {
  // dropout after hidden layers alone, as the authors' code has it
  const common = { features: graph.features, classes: graph.classes.length, featureDropout: 0 };
  if (name === 'gat') return gat({ ...common, hidden: s.gatHidden, dropout: s.gatDropout });
  return (name === 'gcn' ? gcn : graphSage)({ ...common, hidden: s.width, dropout: s.dropout });
}
