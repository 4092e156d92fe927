import { klToTeacher } from '../../evaluate/agreement.ts';
import { logSoftmaxRows, mean } from '../../evaluate/matrix.ts';
import { gather, type NDArray, ndarray, reshape, spec, sym, type Tensor } from '../../graph/index.ts';
import { taid as method, type TaidOptions } from '../../methods/language/taid.ts';
import { supervised } from '../../methods/logits/kd.ts';
import type { Method } from '../../methods/method.ts';
import type { AnyModel } from '../../nn/model.ts';
import { mlp } from '../../nn/models/mlp.ts';
import { normalInit } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { forwardKlBaseline, reverseKlBaseline } from './baselines.ts';
import { lower, main } from './criteria.ts';
import { type Budget, type Columns, fitModel, logitsOf } from './fit.ts';
import { datasetRows } from './rows.ts';
import { describedArms } from './side-by-side.ts';
import { defineReproduction, type Measured } from './types.ts';

interface Size {
  embedding: number;
  hidden: number[];
}

interface Settings {
  /** Characters a model sees before the one it predicts. */
  context: number;
  teacher: Budget & Size;
  student: Budget & Size;
}

/** 26 letters and the end of a name. */
const SYMBOLS = 27;

const schedule = { t_start: 0.2, alpha: 5e-3, beta: 0.99 } satisfies Partial<TaidOptions>;
const ARMS: Record<string, { what: string; method: Method; options?: Record<string, unknown> }> = {
  fkl: { what: 'forward KL to the teacher', method: forwardKlBaseline },
  rkl: { what: 'reverse KL to the teacher', method: reverseKlBaseline },
  taid: { what: 'TAID, t from 0.2, α 5e-3, β 0.99', method, options: schedule },
  linear: {
    what: 'TAID without adaptation: t on a straight line',
    method,
    options: { ...schedule, adaptive: false },
  },
  fixed: { what: 'TAID with t = 1 throughout', method, options: { ...schedule, t_start: 1 } },
};

/** TAID on names, character by character: a student 60 times smaller than its teacher. */
export const taid = defineReproduction<Settings>({
  slug: 'taid',
  paper:
    'TAID is the best of SFT, forward, reverse and adaptive KL, TVD, GKD, DistiLLM, CTKD and DKD on MT-Bench for three pairs, and its students improve steadily with larger teachers.',
  claim:
    'At equal steps TAID’s student has a lower reverse KL than a forward-KL student, a lower forward KL than a reverse-KL student, and a sum of both at least 3 % below the better of the two.',
  data: ['dataset:names'],
  settings: {
    context: 8,
    teacher: { embedding: 24, hidden: [256, 256], steps: 4000, batch: 512, lr: 2e-3 },
    student: { embedding: 4, hidden: [12], steps: 1500, batch: 256, lr: 3e-3 },
  },
  quick: {
    teacher: { embedding: 24, hidden: [256, 256], steps: 500, batch: 512, lr: 2e-3 },
    student: { embedding: 4, hidden: [12], steps: 500, batch: 256, lr: 3e-3 },
  },
  seeds: [1, 2, 3],
  arms: describedArms('embedding 24 × 8, MLP 192-256-256-27', ARMS),
  metrics: {
    forward: 'KL(teacher ‖ student) on held-out contexts, nats',
    reverse: 'KL(student ‖ teacher), nats',
    sum: 'both together, nats',
    ce: 'cross-entropy with the true next character, nats',
    half: 't after half of the steps',
  },
  criteria: [
    main(lower('the reverse KL is below that of the forward-KL student', 'reverse', 'taid', 'fkl')),
    main(lower('the forward KL is below that of the reverse-KL student', 'forward', 'taid', 'rkl')),
    main(
      lower('the sum of both is 3 % below the better of the two', 'sum', 'taid', ['fkl', 'rkl'], {
        share: 0.03,
      }),
    ),
    lower('the cross-entropy on real characters is not above that of reverse KL', 'ce', 'taid', 'rkl'),
    lower('adaptation is not worse than the straight line', 'sum', 'taid', 'linear'),
    lower('t = 1 throughout is forward KL', 'sum', 'fixed', 'fkl', { within: 1e-6 }),
  ],
  pilot: {
    figures: {
      teacher: 'ce 2.166',
      fkl: '0.192 / 0.231 / 2.331',
      rkl: '0.251 / 0.217 / 2.390',
      taid: '0.180 / 0.209 / 2.317',
      linear: '0.183 / 0.211 / 2.320',
    },
    differs:
      'forward / reverse / ce at a third of the size: 6,000 names, a teacher of 500 steps, students of 500 steps of 128 at 1e-2 and α 1e-2, one seed',
  },
  differs: [
    'a character model of eight letters of context instead of instruction-tuned language models, so divergences instead of MT-Bench',
    'each seed has its own teacher, initial student and batch order; its arms share them; the split of the names is one',
  ],
  async run({ engine, dataRoot, tell }, settings, seed) {
    const [train, test] = await Promise.all(
      ['train', 'test'].map(async (split) => contexts(await names(split, dataRoot), settings.context)),
    );
    const inputs = (c: Columns): Columns => ({ context: c['input/context'] });
    const big = characterModel(settings.context, settings.teacher);
    const weights = await fitModel({
      ...settings.teacher,
      engine,
      model: big,
      method: supervised,
      columns: train,
      seed: `${seed}/teacher`,
      initSeed: `${seed}/teacher/init`,
    });
    const p = await logitsOf(engine, big, weights, inputs(test));
    const labels = test.labels.data as Int32Array;
    const results: Record<string, Measured> = { teacher: { ce: crossEntropyOf(p, labels) } };
    tell(`teacher ce ${results.teacher.ce.toFixed(3)}`);
    const knowledge = await logitsOf(engine, big, weights, inputs(train));
    const small = characterModel(settings.context, settings.student);
    for (const [name, arm] of Object.entries(ARMS)) {
      const seen = watched(arm.method, Math.floor(settings.student.steps / 2));
      const params = await fitModel({
        ...settings.student,
        engine,
        model: small,
        method: seen.method,
        options: arm.options,
        columns: { ...train, 'teacher/logits': knowledge },
        seed: `${seed}/student`,
        initSeed: `${seed}/student/init`,
      });
      const q = await logitsOf(engine, small, params, inputs(test));
      const [forward, reverse] = [mean(klToTeacher(q, p)), mean(klToTeacher(p, q))];
      const half = seen.t();
      results[name] = {
        forward,
        reverse,
        sum: forward + reverse,
        ce: crossEntropyOf(q, labels),
        ...(half === undefined ? {} : { half }),
      };
      tell(
        `${name} forward ${forward.toFixed(4)} reverse ${reverse.toFixed(4)} ce ${results[name].ce.toFixed(4)}`,
      );
    }
    return results;
  },
});

const names = async (split: string, root: string | undefined): Promise<string[]> =>
  (await datasetRows('names', split, root)).map((r) => String(r.text));

/** One row per character, the end included: the symbols before it (0 where there are none) and itself. */
function contexts(list: readonly string[], width: number): Record<string, NDArray> {
  const rows = list.reduce((n, name) => n + name.length + 1, 0);
  const ids = new Int32Array(rows * width);
  const labels = new Int32Array(rows);
  let row = 0;
  for (const name of list) {
    const symbols = [...name].map((c) => c.charCodeAt(0) - 96);
    for (let i = 0; i <= symbols.length; i++, row++) {
      const before = symbols.slice(Math.max(0, i - width), i);
      ids.set(before, row * width + width - before.length);
      labels[row] = symbols[i] ?? 0;
    }
  }
  return { 'input/context': ndarray(ids, [rows, width]), labels: ndarray(labels, [rows]) };
}

/** Embeddings of the context side by side, then an MLP. */
function characterModel(width: number, { embedding, hidden }: Size): AnyModel {
  const head = mlp({ inputs: width * embedding, hidden, outputs: SYMBOLS });
  return {
    architecture: 'CharacterMlp',
    config: {},
    params: { ...head.params, embedding: { shape: [SYMBOLS, embedding], init: normalInit(1) } },
    inputs: { context: spec([sym('batch'), width], 'int32') },
    forward(s: Scope, { context }: { context: Tensor }) {
      const vectors = gather(s.param('embedding'), context, 0);
      return head.forward(s, { features: reshape(vectors, [context.shape[0], width * embedding]) });
    },
  };
}

function crossEntropyOf(logits: NDArray, labels: Int32Array): number {
  const logp = logSoftmaxRows(logits);
  return -mean(Float64Array.from(labels, (y, i) => logp.data[i * logp.cols + y]));
}

/** The method, and its t after a step. */
function watched(method: Method, at: number): { method: Method; t: () => number | undefined } {
  const { schedule } = method;
  if (!schedule) return { method, t: () => undefined };
  let t: number | undefined;
  const next: typeof schedule.next = (state, seen, config) => {
    const after = schedule.next(state, seen, config);
    if (seen.step + 1 === at) t = after.t;
    return after;
  };
  return { method: { ...method, schedule: { ...schedule, next } }, t: () => t };
}
