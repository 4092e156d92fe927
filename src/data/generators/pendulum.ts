import { createRng } from '../../util/rng.ts';

/** Angle from upright (rad) and angular velocity (rad/s). */
export type PendulumState = readonly [angle: number, velocity: number];

/** A Gaussian over torques. */
export interface TorquePolicy {
  readonly mean: number;
  readonly std: number;
}

/** Seconds per step, gravity over length (1/s²), damping (1/s), largest torque. */
const DT = 0.05;
const GRAVITY = 9.8;
const DAMPING = 0.2;
export const TORQUE_LIMIT = 12;
/** Steps of an episode. */
export const EPISODE = 100;

const applied = (torque: number): number => Math.max(-TORQUE_LIMIT, Math.min(TORQUE_LIMIT, torque));

/** One step of an inverted pendulum (semi-implicit Euler); torques are cut at ±{@link TORQUE_LIMIT}. */
export function pendulumStep([angle, velocity]: PendulumState, torque: number): PendulumState {
  const u = applied(torque);
  const next = velocity + DT * (GRAVITY * Math.sin(angle) - DAMPING * velocity + u);
  return [angle + DT * next, next];
}

/** 1 minus what it costs to be off upright, to move and to push with the torque as applied; -1 once it has fallen (90°). */
export const pendulumReward = ([angle, velocity]: PendulumState, torque: number): number =>
  Math.abs(angle) > Math.PI / 2 ? -1 : 1 - angle ** 2 - 0.05 * velocity ** 2 - 0.001 * applied(torque) ** 2;

/** Feedback gains of the linear-quadratic regulator around upright, by iterating the Riccati equation. */
export function regulatorGains(): readonly [number, number] {
  const [a, b] = [
    [
      [1 + DT * DT * GRAVITY, DT * (1 - DT * DAMPING)],
      [DT * GRAVITY, 1 - DT * DAMPING],
    ],
    [DT * DT, DT],
  ];
  const cost = [1, 0.05];
  let p = [
    [cost[0], 0],
    [0, cost[1]],
  ];
  let gains: [number, number] = [0, 0];
  for (let i = 0; i < 2000; i++) {
    const pb = p.map((row) => row[0] * b[0] + row[1] * b[1]);
    const scale = 0.001 + b[0] * pb[0] + b[1] * pb[1];
    gains = [0, 1].map((j) => (a[0][j] * pb[0] + a[1][j] * pb[1]) / scale) as [number, number];
    const closed = a.map((row, k) => row.map((v, j) => v - b[k] * gains[j]));
    const pa = p.map((row) => [0, 1].map((j) => row[0] * closed[0][j] + row[1] * closed[1][j]));
    p = [0, 1].map((k) =>
      [0, 1].map((j) => (k === j ? cost[k] : 0) + a[0][k] * pa[0][j] + a[1][k] * pa[1][j]),
    );
  }
  return gains;
}

/** A skilled policy: the regulator's torque within the limits, with Gaussian exploration. */
export function pendulumExpert(std = 1): (state: PendulumState) => TorquePolicy {
  const [k, d] = regulatorGains();
  return ([angle, velocity]) => ({
    mean: applied(-k * angle - d * velocity),
    std,
  });
}

/** Log-density of a torque, nats. */
export const torqueLogp = ({ mean, std }: TorquePolicy, torque: number): number =>
  -0.5 * ((torque - mean) / std) ** 2 - Math.log(std) - 0.5 * Math.log(2 * Math.PI);

/**
 * Seeded episodes of {@link EPISODE} steps from angles within ±0.8 rad and velocities within ±1 rad/s, all at once.
 *
 * @param act policies for many states together, so that a network is asked once a step
 * @returns every episode's sum of rewards (after a fall each step counts -1), and the states visited before falls
 */
export async function pendulumEpisodes(
  act: (states: readonly PendulumState[]) => Promise<readonly TorquePolicy[]> | readonly TorquePolicy[],
  { episodes, seed }: { episodes: number; seed: number | string },
): Promise<{ returns: Float64Array; states: PendulumState[] }> {
  const rng = createRng(`pendulum/${seed}`);
  let states: PendulumState[] = Array.from({ length: episodes }, () => [
    1.6 * (rng.uniform() - 0.5),
    2 * (rng.uniform() - 0.5),
  ]);
  const returns = new Float64Array(episodes);
  const fallen = new Uint8Array(episodes);
  const visited: PendulumState[] = [];
  for (let t = 0; t < EPISODE; t++) {
    const policies = await act(states);
    states = states.map((s, e) => {
      const torque = policies[e].mean + policies[e].std * rng.normal();
      if (Math.abs(s[0]) > Math.PI / 2) fallen[e] = 1;
      returns[e] += fallen[e] ? -1 : pendulumReward(s, torque);
      if (fallen[e]) return s;
      visited.push(s);
      return pendulumStep(s, torque);
    });
  }
  return { returns, states: visited };
}
