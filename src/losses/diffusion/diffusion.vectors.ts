import {
  add,
  cast,
  constant,
  gather,
  greater,
  linear,
  log,
  mean,
  mul,
  ndarray,
  sum,
  type Tensor,
  tanh,
} from '../../graph/index.ts';
import type { CaseReader, Vector } from '../vectors/index.ts';
import { alphasCumprod, BETA_SCHEDULES, betaSchedule } from './betas.ts';
import {
  consistencyError,
  edmScalings,
  karrasSigma,
  SIGMA_WEIGHTS,
  type SigmaDenoiser,
  sigmaProgressiveError,
  sigmaWeight,
} from './consistency.ts';
import { addNoise, cosineProcess, guided, perRow, velocity } from './process.ts';
import { type HalvedStep, progressiveError, progressiveTarget, velocityDenoiser } from './progressive.ts';
import { diffusionDpo, scoreSurrogate } from './score.ts';

const host = (values: readonly number[], like: Tensor): Tensor =>
  cast(constant(ndarray(Float64Array.from(values), [values.length], 'float64')), like.dtype);

/** The σ-space cases: networks tanh(u Wᵀ + b + 0.01 · 250 ln σ) in the scalings of EDM. */
const NETWORK =
  "raw network is net(u,t')=tanh(u W^T + b + 0.01 t') with u=c_in*x, t'=250*ln(sigma); denoiser=c_out*net+c_skip*x; student/target use the boundary-condition scalings, teacher the plain ones; batch mean";

function sigmaCase(x: Record<string, Tensor>, c: CaseReader) {
  const sigmaData = c.number('sigma_data');
  const range = { sigmaMin: c.number('sigma_min'), sigmaMax: c.number('sigma_max'), rho: c.number('rho') };
  const denoiser =
    (w: Tensor, b: Tensor, sigmaMin?: number): SigmaDenoiser =>
    (noisy, { sigma }) => {
      const k = edmScalings(sigma, { sigmaData, sigmaMin });
      const time = perRow(mul(log(sigma), 2.5), noisy);
      const net = tanh(add(linear(mul(noisy, perRow(k.in, noisy)), w, b, { transW: true }), time));
      return add(mul(perRow(k.out, noisy), net), mul(perRow(k.skip, noisy), noisy));
    };
  const scales = c.number('num_scales');
  const weightKind = c.choice('weight_schedule', SIGMA_WEIGHTS);
  const at = (points: number, shift: number) => ({
    sigma: gather(
      host(
        Array.from({ length: scales + 1 }, (_, i) => karrasSigma((i + shift) / points, range)),
        x.x0,
      ),
      x.indices,
    ),
  });
  return {
    scales,
    at,
    norm: c.choice('loss_norm', ['l1', 'l2']),
    student: denoiser(x.W, x.b, range.sigmaMin),
    target: () => denoiser(x.W_target, x.b_target, range.sigmaMin),
    teacher: denoiser(x.W_teacher, x.b_teacher),
    finish: (error: Tensor, { sigma }: { sigma: Tensor }) => {
      const each = mul(error, sigmaWeight(sigma, weightKind, sigmaData));
      return { per_sample_loss: each, loss: mean(each) };
    },
  };
}

const consistency = (what: string, taught: boolean): Vector => ({
  kind: 'differentiable',
  method: 'diffusion-core',
  function: `${what}; ${NETWORK}`,
  inputs: { indices: 'int' },
  run: (x, c) => {
    const s = sigmaCase(x, c);
    const [from, to] = [s.at(s.scales - 1, 0), s.at(s.scales - 1, 1)];
    const { student, teacher } = s;
    const error = consistencyError(
      {
        x0: x.x0,
        noise: x.noise,
        from,
        to,
        student,
        target: s.target(),
        teacher: taught ? teacher : undefined,
      },
      s.norm,
    );
    return s.finish(error, from);
  },
});

export const diffusionVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'diffusion-core',
    function: 'forward noising x_t and v-target at given timesteps',
    inputs: { t: 'host' },
    run: (x, c) => {
      const betas = betaSchedule(
        c.choice('beta_schedule', BETA_SCHEDULES),
        c.number('T'),
        c.number('beta_start'),
        c.number('beta_end'),
      );
      const bar = alphasCumprod(betas);
      const kept = c.input<number[]>('t').map((t) => bar[t]);
      const levels = {
        alpha: host(kept.map(Math.sqrt), x.x0),
        sigma: host(
          kept.map((k) => Math.sqrt(1 - k)),
          x.x0,
        ),
      };
      return {
        alphas_cumprod_at_t: kept,
        x_t: addNoise(x.x0, x.eps, levels),
        v: velocity(x.x0, x.eps, levels),
      };
    },
  },
  {
    kind: 'differentiable',
    method: 'diffusion-core',
    function:
      'Diffusion-DPO loss: batch rows [winners; losers] (2B rows), per-row mean over all other dims; gradient wrt model prediction',
    run: (x, c) => {
      const { loss, inside } = diffusionDpo(x.model_pred, x.ref_pred, x.target_noise, c.number('beta'));
      return { loss: mean(loss), inside, implicit_acc: mean(cast(greater(inside, 0), inside.dtype)) };
    },
  },
  consistency('consistency distillation loss (Heun teacher step, EMA target network)', true),
  consistency('consistency training loss (no teacher, Euler with true x0)', false),
  {
    kind: 'differentiable',
    method: 'diffusion-core',
    function: `progressive distillation loss in sigma space (two Euler teacher half-steps -> one student step); ${NETWORK}`,
    inputs: { indices: 'int' },
    run: (x, c) => {
      const s = sigmaCase(x, c);
      const from = s.at(s.scales, 0);
      const { student, teacher } = s;
      const error = sigmaProgressiveError(
        { x0: x.x0, noise: x.noise, student, teacher },
        { from, mid: s.at(s.scales, 0.5), to: s.at(s.scales, 1) },
        s.norm,
      );
      return s.finish(error, from);
    },
  },
  {
    kind: 'differentiable',
    method: 'diffusion-core',
    function:
      'progressive distillation (VP, alpha=cos(pi t/2), sigma=sin(pi t/2)): target x~ from two teacher DDIM half steps, truncated-SNR weight max(alpha^2/sigma^2,1), mean over batch and dims; networks are v-predictors v(z,t)=tanh(z W^T + b + t)',
    run: (x, c) => {
      const steps = c.number('N');
      const t = c.number('t', c.number('i') / steps);
      const level = (time: number) => ({
        ...cosineProcess.levels(host([time], x.x0)),
        time,
      });
      const step: HalvedStep<ReturnType<typeof level>> = {
        from: level(t),
        mid: level(t - 0.5 / steps),
        to: level(t - 1 / steps),
      };
      const network = (w: Tensor, b: Tensor) =>
        velocityDenoiser<ReturnType<typeof level>>((z, at) =>
          tanh(add(linear(z, w, b, { transW: true }), at.time)),
        );
      const z = addNoise(x.x0, x.eps, step.from);
      const { target, zMid, zEnd } = progressiveTarget(network(x.W_teacher, x.b_teacher), z, step);
      const guess = network(x.W_student, x.b_student)(z, step.from);
      const { error, weight } = progressiveError(guess, target, step.from, 'truncated-snr');
      return {
        z_t: z,
        z_mid: zMid,
        z_end: zEnd,
        target_x: target,
        weight: mean(weight),
        loss: mean(error),
      };
    },
  },
  {
    kind: 'differentiable',
    method: 'diffusion-core',
    function:
      'classifier-free guidance e = u + w(c-u), and SDS surrogate sum(x * sg(e-n)) with its gradient wrt x',
    gradients: { grads: 'surrogate' },
    run: (x, c) => {
      const e = guided(x.cond, x.uncond, c.number('w'));
      return { guided: e, surrogate: sum(scoreSurrogate(x.x, add(e, mul(x.noise, -1)))) };
    },
  },
];
