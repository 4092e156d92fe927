import {
  type PendulumState,
  pendulumEpisodes,
  pendulumExpert,
  TORQUE_LIMIT,
  type TorquePolicy,
  torqueLogp,
} from '../../data/generators/pendulum.ts';
import {
  add,
  div,
  exp,
  log,
  mul,
  type NDArray,
  ndarray,
  slice,
  spec,
  sub,
  sym,
  type Tensor,
} from '../../graph/index.ts';
import { adpo } from '../../methods/preference/adpo.ts';
import { createInference } from '../../nn/inference.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import { mlp } from '../../nn/models/mlp.ts';
import type { Params } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { preferenceColumn as column } from '../../train/policy.ts';
import { createRng } from '../../util/rng.ts';
import type { Budget } from './fit.ts';
import { fitPolicy, rowSourceOf } from './fit-policy.ts';
import type { Measured, RunContext } from './types.ts';

/** Distilling a skilled policy of an inverted pendulum from lists of its torques. */
export interface ControlSettings extends Budget {
  /** States that the student learns from, and torques that the expert draws at each. */
  states: number;
  torques: number;
  hidden: number[];
  /** Deviation of the expert's torques, and of the student's before it learns. */
  expertStd: number;
  startStd: number;
  decay: number;
  /** Episodes of the test. */
  episodes: number;
}

/** A Gaussian policy; `logp` of given torques `[batch, torques]`. */
function gaussianPolicy({ hidden, startStd }: ControlSettings): AnyModel {
  const body = mlp({ inputs: 2, hidden, outputs: 2 });
  return {
    architecture: 'GaussianPolicy',
    config: {},
    params: body.params,
    inputs: { state: spec([sym('batch'), 2]), torques: spec([sym('batch'), sym('torques')]) },
    forward(s: Scope, { state, torques }: Record<string, Tensor>) {
      const out = body.forward(s, { features: state }).logits as Tensor;
      const part = (i: number): Tensor => slice(out, { axes: [1], starts: [i], ends: [i + 1] });
      const mean = mul(part(0), TORQUE_LIMIT);
      const std = mul(exp(part(1)), startStd);
      const z = div(sub(torques, mean), std);
      const logp = sub(mul(mul(z, z), -0.5), add(log(std), 0.5 * Math.log(2 * Math.PI)));
      return { logp, length: add(mul(logp, 0), 1), mean, std };
    },
  };
}

const ARMS = {
  kd: { options: { anchor: 'uniform' } },
  self: { options: { anchor: 'reference' } },
  ema: { options: { anchor: 'reference' }, follow: true },
} as const;

/** Angles and velocities, in units of about one. */
const stateArray = (states: readonly PendulumState[]): NDArray =>
  ndarray(Float32Array.from(states.flatMap(([a, v]) => [2 * a, v / 2])), [states.length, 2]);

/** Returns and divergences of the students of one seed, by arm, and the expert's return. */
export async function distilControl(
  { engine, tell }: RunContext,
  settings: ControlSettings,
  seed: number,
): Promise<Record<string, Measured>> {
  const expert = pendulumExpert(settings.expertStd);
  const act = (states: readonly PendulumState[]): TorquePolicy[] => states.map(expert);
  const rng = createRng(`${seed}/torques`);
  const visited = await pendulumEpisodes(act, { episodes: 20, seed: `${seed}/train` });
  const states = rng.shuffle([...visited.states]).slice(0, settings.states);
  const drawn = states.map((s) => {
    const { mean, std } = expert(s);
    return Array.from({ length: settings.torques }, () => mean + std * rng.normal());
  });
  const model = gaussianPolicy(settings);
  const start = init(model, `${seed}/control`);
  const inference = createInference(engine, model, { outputs: ['mean', 'std', 'logp'] });
  const ask = async (asked: readonly PendulumState[], torques?: readonly number[][]) =>
    inference.run({
      state: stateArray(asked),
      torques: ndarray(Float32Array.from(torques ? torques.flat() : new Float32Array(asked.length)), [
        asked.length,
        torques?.[0].length ?? 1,
      ]),
    });
  const tests = await pendulumEpisodes(act, { episodes: settings.episodes, seed: `${seed}/test` });
  const results: Record<string, Measured> = { expert: { return: average(tests.returns) } };
  try {
    await inference.setParams(start);
    const before = (await ask(states, drawn)).logp.data as Float32Array;
    const shapes = {
      'input/state': [2],
      'input/torques': [settings.torques],
      [column.scores]: [settings.torques],
      [column.reference]: [settings.torques],
      'teacher/logp': [settings.torques],
    };
    const inputs = stateArray(states).data as Float32Array;
    const source = rowSourceOf(states.length, shapes, (i) => ({
      'input/state': inputs.subarray(2 * i, 2 * i + 2),
      'input/torques': drawn[i],
      [column.scores]: drawn[i].map(() => 0),
      [column.reference]: before.subarray(i * settings.torques, (i + 1) * settings.torques),
      'teacher/logp': drawn[i].map((u) => torqueLogp(expert(states[i]), u)),
    }));
    for (const [name, arm] of Object.entries(ARMS)) {
      const params: Params<NDArray> = await fitPolicy({
        ...settings,
        engine,
        model,
        method: adpo,
        options: { target: 'teacher', tau: 1, ...arm.options },
        start,
        source,
        follow: 'follow' in arm ? settings.decay : undefined,
        seed: `${seed}/control`,
      });
      await inference.setParams(params);
      const student = async (asked: readonly PendulumState[]): Promise<TorquePolicy[]> => {
        const { mean, std } = await ask(asked);
        return asked.map((_, i) => ({
          mean: (mean.data as Float32Array)[i],
          std: (std.data as Float32Array)[i],
        }));
      };
      const { returns } = await pendulumEpisodes(student, {
        episodes: settings.episodes,
        seed: `${seed}/test`,
      });
      const own = await student(tests.states);
      results[name] = {
        return: average(returns),
        kl: average(own.map((p, i) => gaussianKl(p, expert(tests.states[i])))),
      };
      tell(`${name} return ${average(returns).toFixed(1)} KL ${results[name].kl.toFixed(3)}`);
    }
  } finally {
    await inference.dispose();
  }
  return results;
}

const average = (x: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i];
  return sum / x.length;
};

/** KL(p ‖ q) of two Gaussians, nats. */
const gaussianKl = (p: TorquePolicy, q: TorquePolicy): number =>
  Math.log(q.std / p.std) + (p.std ** 2 + (p.mean - q.mean) ** 2) / (2 * q.std ** 2) - 0.5;
