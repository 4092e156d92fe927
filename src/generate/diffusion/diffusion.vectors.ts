import {
  alphasCumprod,
  BETA_SCHEDULES,
  betaSchedule,
  zeroTerminalSnr,
} from '../../losses/diffusion/betas.ts';
import { PREDICTION_TYPES } from '../../losses/diffusion/process.ts';
import type { CaseReader, Vector } from '../../losses/vectors/index.ts';
import { dpmSolver, dpmTimesteps, noiseRatio } from './dpm-solver.ts';
import { ddim, ddpm, type Flat, type SampleOptions, VARIANCE_TYPES } from './samplers.ts';
import { discreteSteps, TIMESTEP_SPACINGS, timesteps } from './timesteps.ts';

type Nested = number | readonly Nested[];

const flat = (x: Nested): number[] => (typeof x === 'number' ? [x] : (x as readonly Nested[]).flatMap(flat));

/** The flat samples in the nesting of `like`. */
function nested(data: Flat, like: Nested): Nested {
  let at = 0;
  const walk = (l: Nested): Nested => (typeof l === 'number' ? data[at++] : l.map(walk));
  return walk(like);
}

/** Schedule, network outputs and noises of a case, and what comes out step by step. */
function tableCase(c: CaseReader) {
  const total = c.number('T');
  const betas = betaSchedule(
    c.choice('beta_schedule', BETA_SCHEDULES),
    total,
    c.number('beta_start'),
    c.number('beta_end'),
  );
  const start = c.input<Nested>('x_T');
  const outputs = c.input<Nested[]>('model_outputs').map(flat);
  const noises = c.has('noises') ? c.input<Nested[]>('noises').map(flat) : [];
  const after: Nested[] = [];
  const predicted: Nested[] = [];
  const options: Omit<SampleOptions, 'steps'> = {
    predict: (_, { index }) => outputs[index],
    prediction: c.choice('prediction_type', PREDICTION_TYPES),
    noise: (index) => noises[index],
    onStep: (x, x0) => {
      after.push(nested(x, start));
      predicted.push(nested(x0, start));
    },
  };
  return { total, betas, x: Float64Array.from(flat(start)), after, predicted, options };
}

export const samplerVectors: readonly Vector[] = [
  {
    kind: 'algorithmic',
    method: 'diffusion-core',
    function:
      'DDIM sampler: deterministic (eta=0) or eta-stochastic reverse steps, network outputs supplied as a table (one per step)',
    run: async (c) => {
      const t = tableCase(c);
      const bar = alphasCumprod(c.flag('rescale_betas_zero_snr', false) ? zeroTerminalSnr(t.betas) : t.betas);
      const visited = timesteps(
        t.total,
        c.number('num_inference_steps'),
        c.choice('timestep_spacing', TIMESTEP_SPACINGS, 'leading'),
        c.number('steps_offset', 0),
      );
      const steps = discreteSteps(bar, visited, { last: c.flag('set_alpha_to_one', true) ? 'one' : 'first' });
      await ddim(t.x, { ...t.options, steps, eta: c.number('eta', 0), clip: c.flag('clip_sample', false) });
      return {
        timesteps: visited,
        alphas_cumprod: [...bar],
        x_after_step: t.after,
        pred_x0: t.predicted,
      };
    },
  },
  {
    kind: 'algorithmic',
    method: 'diffusion-core',
    function:
      'DDPM ancestral sampler: all reverse steps, network outputs and Gaussian noises supplied as tables (noise unused at t=0)',
    run: async (c) => {
      const t = tableCase(c);
      const visited = timesteps(t.total, c.number('num_inference_steps'), 'leading');
      const steps = discreteSteps(alphasCumprod(t.betas), visited);
      const variance = c.choice('variance_type', VARIANCE_TYPES);
      await ddpm(t.x, { ...t.options, steps, variance, clip: c.flag('clip_sample', false) });
      return { timesteps: visited, betas: [...t.betas], x_after_step: t.after };
    },
  },
  {
    kind: 'algorithmic',
    method: 'diffusion-core',
    function:
      'DPM-Solver++ multistep sampler (defaults: linspace spacing, midpoint, lower_order_final, final sigma 0), outputs supplied as table',
    run: async (c) => {
      const t = tableCase(c);
      const bar = alphasCumprod(t.betas);
      const visited = dpmTimesteps(t.total, c.number('num_inference_steps'));
      const ratios = visited.map((i) => noiseRatio(bar[i]));
      await dpmSolver(t.x, {
        ...t.options,
        timesteps: visited,
        ratios,
        algorithm: c.choice('algorithm_type', ['dpmsolver++', 'sde-dpmsolver++']),
        order: c.number('solver_order') as 1 | 2,
      });
      return { timesteps: visited, sigmas: [...ratios, 0], x_after_step: t.after };
    },
  },
];
