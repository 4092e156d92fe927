import {
  type BanditOptions,
  type BanditSplit,
  banditWorld,
  noiseKinds,
  noisyRewards,
  type Severity,
} from '../../data/generators/noisy-bandit.ts';
import {
  add,
  gatherElements,
  log,
  logSoftmax,
  mul,
  type NDArray,
  ndarray,
  neg,
  reshape,
  spec,
  stopGradient,
  sym,
  type Tensor,
  topK,
  uniform,
} from '../../graph/index.ts';
import { adpo } from '../../methods/preference/adpo.ts';
import { dpo } from '../../methods/preference/dpo.ts';
import { createInference } from '../../nn/inference.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import { mlp } from '../../nn/models/mlp.ts';
import type { Params } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { preferenceColumn as column } from '../../train/policy.ts';
import { createRng } from '../../util/rng.ts';
import type { Budget } from './fit.ts';
import { fitPolicy, rowSourceOf } from './fit-policy.ts';
import type { RunContext } from './types.ts';

export interface BanditSettings extends BanditOptions {
  policy: Budget & { hidden: number[] };
  /** Steps of the reference on clean rewards. */
  reference: number;
  tau: number;
  /** Temperature of rewards, and of kernel-smoothed ranks, which lie within 0 and 1. */
  betaR: number;
  betaRanks: number;
  decay: number;
  /** Items drawn per context online. */
  drawn: number;
}

/** The scenarios by name: kind and severity. */
export const scenarios = noiseKinds.flatMap((kind) =>
  ([0, 1, 2] as const).map((severity: Severity) => ({ name: `${kind}${severity}`, kind, severity })),
);

interface Bandit {
  readonly settings: BanditSettings;
  readonly model: AnyModel;
  readonly train: BanditSplit;
  readonly test: BanditSplit;
  readonly start: Params<NDArray>;
  /** log π_ref of the training items on their lists, `[contexts · items]`. */
  readonly referenceLogp: Float32Array;
}

const perItem = ({ width }: BanditOptions): number => 2 * width;

/** Scores items by an MLP; `logp` is the log-softmax over the list `[batch, items]`. */
function listPolicy({ items, width, policy }: BanditSettings): AnyModel {
  const scorer = mlp({ inputs: 2 * width, hidden: policy.hidden, outputs: 1 });
  return {
    architecture: 'ListPolicy',
    config: {},
    params: scorer.params,
    inputs: { list: spec([sym('batch'), items, 2 * width]) },
    forward(s: Scope, { list }: Record<string, Tensor>) {
      const n = list.shape[1] as number;
      const { logits } = scorer.forward(s, { features: reshape(list, [-1, 2 * width]) });
      const logp = logSoftmax(reshape(logits as Tensor, [-1, n]));
      return { logp, length: add(mul(logp, 0), 1) };
    },
  };
}

/** World, policy and reference of a seed. */
export async function openBandit(
  { engine }: RunContext,
  settings: BanditSettings,
  seed: number,
): Promise<Bandit> {
  const { train, test } = banditWorld(seed, settings);
  const model = listPolicy(settings);
  const bandit = { settings, model, train, test };
  const start = await fitPolicy({
    ...settings.policy,
    steps: settings.reference,
    engine,
    model,
    method: adpo,
    // cross-entropy with the softmax of the true rewards
    options: { anchor: 'uniform', tau: 1, beta_r: 1 },
    start: init(model, `bandit/${seed}`),
    source: lists(bandit, train.rewards, new Float32Array(train.rewards.length)),
    seed: `${seed}/reference`,
  });
  const referenceLogp = await logpOf(engine, bandit, start, train);
  return { ...bandit, start, referenceLogp };
}

type Lists = Pick<Bandit, 'settings' | 'model' | 'train'>;

/** Log-probabilities of a split's items, `[contexts · items]`. */
async function logpOf(
  engine: RunContext['engine'],
  { settings, model }: Lists,
  params: Params<NDArray>,
  split: BanditSplit,
): Promise<Float32Array> {
  const inference = createInference(engine, model, { outputs: ['logp'] });
  try {
    await inference.setParams(params);
    const { contexts, items } = settings;
    const { logp } = await inference.run({
      list: ndarray(split.features, [contexts, items, perItem(settings)]),
    });
    return logp.data as Float32Array;
  } finally {
    await inference.dispose();
  }
}

/** Rows of whole lists, or of `count` items drawn for each row; as many rows as the steps take. */
function lists(
  { settings, train }: Lists,
  observed: Float64Array,
  reference: Float32Array,
  draw?: (row: number) => readonly number[],
) {
  const { items, contexts, policy } = settings;
  const width = perItem(settings);
  const count = draw?.(0).length ?? items;
  const all = Array.from({ length: items }, (_, i) => i);
  const shapes = {
    'input/list': [count, width],
    [column.scores]: [count],
    [column.reference]: [count],
  };
  return rowSourceOf(policy.steps * policy.batch, shapes, (row) => {
    const at = (draw?.(row) ?? all).map((i) => (row % contexts) * items + i);
    const list = new Float32Array(count * width);
    at.forEach((item, i) => {
      list.set(train.features.subarray(item * width, (item + 1) * width), i * width);
    });
    return {
      'input/list': list,
      [column.scores]: at.map((i) => observed[i]),
      [column.reference]: at.map((i) => reference[i]),
    };
  });
}

/** WinMass: mean probability that the policy gives to the truly best item of a test list. */
async function winMass({ engine }: RunContext, bandit: Bandit, params: Params<NDArray>): Promise<number> {
  const { items, contexts } = bandit.settings;
  const logp = await logpOf(engine, bandit, params, bandit.test);
  let sum = 0;
  for (let c = 0; c < contexts; c++) {
    const rewards = bandit.test.rewards.subarray(c * items, (c + 1) * items);
    sum += Math.exp(logp[c * items + rewards.indexOf(Math.max(...rewards))]);
  }
  return sum / contexts;
}

export const referenceMass = (ctx: RunContext, bandit: Bandit): Promise<number> =>
  winMass(ctx, bandit, bandit.start);

/** How an offline arm learns: from whole lists or from one random pair per row. */
export interface OfflineArm {
  readonly what: string;
  readonly method: 'dpo' | 'adpo';
  readonly pairs: boolean;
  readonly options: (s: BanditSettings) => Record<string, unknown>;
  readonly follow?: boolean;
}

/** WinMass of an arm after training on the observed rewards of a scenario. */
export async function offline(
  ctx: RunContext,
  bandit: Bandit,
  arm: OfflineArm,
  scenario: (typeof scenarios)[number],
  seed: number,
): Promise<number> {
  const { settings, model, start, train, referenceLogp } = bandit;
  const observed = noisyRewards(train, settings.items, scenario.kind, scenario.severity, seed);
  const pair = (row: number): readonly number[] => {
    const rng = createRng(`${seed}/pair/${row}`);
    const first = rng.int(settings.items);
    return [first, (first + 1 + rng.int(settings.items - 1)) % settings.items];
  };
  const params = await fitPolicy({
    ...settings.policy,
    engine: ctx.engine,
    model,
    method: arm.method === 'dpo' ? dpo : adpo,
    options: arm.options(settings),
    start,
    source: lists(bandit, observed, referenceLogp, arm.pairs ? pair : undefined),
    follow: arm.follow ? settings.decay : undefined,
    seed: `${seed}/policy`,
  });
  return winMass(ctx, bandit, params);
}

/** Draws items from the policy as it stands, without repetition, and sees their rewards. */
function drawing(policy: AnyModel, drawn: number): AnyModel {
  return {
    ...policy,
    forward(s: Scope, { list, rewards, reference }: Record<string, Tensor>) {
      const { logp } = policy.forward(s, { list });
      const noise = neg(log(neg(log(uniform(s.ctx.nextKey!(), logp.shape, { low: 1e-6, high: 1 })))));
      const [, at] = topK(add(stopGradient(logp), noise), drawn);
      const own = gatherElements(logp, at, 1);
      return {
        logp: own,
        length: add(mul(own, 0), 1),
        scores: gatherElements(rewards, at, 1),
        reference: gatherElements(reference, at, 1),
      };
    },
  };
}

/** WinMass after learning online: items are drawn from the policy at every step, their rewards are mildly noisy. */
export async function online(
  ctx: RunContext,
  bandit: Bandit,
  anchor: 'policy' | 'reference',
  seed: number,
): Promise<number> {
  const { settings, model, start, train, referenceLogp } = bandit;
  const { items, contexts, policy, drawn } = settings;
  const observed = noisyRewards(train, items, 'gauss', 0, seed);
  const width = perItem(settings);
  const shapes = {
    'input/list': [items, width],
    'input/rewards': [items],
    'input/reference': [items],
  };
  const source = rowSourceOf(policy.steps * policy.batch, shapes, (row) => {
    const from = (row % contexts) * items;
    return {
      'input/list': train.features.subarray(from * width, (from + items) * width),
      'input/rewards': observed.subarray(from, from + items),
      'input/reference': referenceLogp.subarray(from, from + items),
    };
  });
  const params = await fitPolicy({
    ...policy,
    engine: ctx.engine,
    model: drawing(model, drawn),
    method: adpo,
    options: { anchor, advantages: true, tau: 0.8, beta_r: settings.betaR },
    start,
    source,
    seed: `${seed}/online`,
  });
  return winMass(ctx, bandit, params);
}
