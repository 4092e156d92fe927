import { add, linear, mean, mul, stack, type Tensor, tanh } from '../../graph/index.ts';
import {
  addNoise,
  cosineProcess,
  guided,
  linearProcess,
  type NoiseProcess,
  perRow,
} from '../../losses/diffusion/process.ts';
import { forRows, type Network } from '../../losses/diffusion/setting.ts';
import type { Vector } from '../../losses/vectors/index.ts';
import { type BootOptions, bootErrors, bootstrapTarget } from './boot.ts';

const processOf = (name: string): NoiseProcess => (name.includes('cos') ? cosineProcess : linearProcess);
const WEIGHTS = { inv_kappa2: 'inv-kappa2', one_over_delta2: 'one-over-delta2' } as const;
const dense = (x: Tensor, w: Tensor): Tensor => linear(x, w, undefined, { transW: true });

/** tanh(x Wᵀ + b + k t [+ c Vᵀ]). */
const toy =
  (w: Tensor, b: Tensor | undefined, k: number, extra?: Tensor): Network =>
  (x, t) => {
    let z = add(dense(x, w), perRow(mul(t, k), x));
    if (b) z = add(z, b);
    return tanh(extra ? add(z, extra) : z);
  };

export const bootVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'boot',
    function:
      'BOOT objective L_BS + beta*L_BC: student y(eps,t)=tanh(eps U^T+u+0.5 t [+ c Q^T]), teacher signal prediction f(x,t)=tanh(x W^T+b+t [+ c V^T]) (with guidance f = f(.,0)+w(f(.,c)-f(.,0)) when cfg_w is given); stop-gradient target; mean over dims then batch',
    run: (x, c) => {
      const w = c.param('cfg_w');
      const plain = toy(x.W, x.b, 1);
      const conditional = x.V && toy(x.W, x.b, 1, dense(x.c, x.V));
      const teacher: Network = !conditional
        ? plain
        : typeof w === 'number'
          ? (z, t) => guided(conditional(z, t), plain(z, t), w)
          : conditional;
      const options: Pick<BootOptions, 'delta' | 'weight' | 'solver' | 'rate'> = {
        delta: c.number('delta'),
        weight: WEIGHTS[c.choice('weight', ['inv_kappa2', 'one_over_delta2'])],
        solver: c.choice('solver', ['euler', 'heun']),
        rate: c.text('rate').includes("lambda'") ? 'first-order' : 'exact',
      };
      c.number('t_min');
      const e = bootErrors(
        toy(x.U, x.u, 0.5, x.Q && dense(x.c, x.Q)),
        teacher,
        { eps: x.eps, t: x.t, boundaryEps: x.eps_boundary },
        { process: processOf(c.text('schedule')), tMax: c.number('t_max') },
        options,
      );
      const [bootstrap, boundary] = [mean(e.bootstrap), mean(e.boundary)];
      return {
        kappa: e.kappa,
        y_t: e.y,
        x_hat_t: e.x,
        f_t: e.f,
        target: e.target,
        loss_bs: bootstrap,
        loss_bc: boundary,
        loss: add(bootstrap, mul(boundary, c.number('beta'))),
      };
    },
  },
  {
    kind: 'differentiable',
    method: 'boot',
    function:
      'Signal-ODE integration from the boundary value y=f(eps,t_max) on a uniform time grid with the exact (DDIM-equivalent) rate; x_after_step equals the DDIM trajectory started from x = alpha_max y + sigma_max eps',
    run: (x, c) => {
      const process = processOf(c.text('schedule'));
      const [steps, top, bottom] = [c.number('N'), c.number('t_max'), c.number('t_min')];
      const teacher = toy(x.W, x.b, 1);
      const time = (i: number): Tensor => forRows(top + ((bottom - top) * i) / steps, x.eps);
      let y = teacher(x.eps, time(0));
      const signals: Tensor[] = [];
      const samples: Tensor[] = [];
      for (let i = 0; i < steps; i++) {
        const [t, s] = [time(i), time(i + 1)];
        y = bootstrapTarget(
          { y, eps: x.eps, t, s, teacher, process },
          { solver: 'euler', rate: 'exact' },
        ).target;
        signals.push(y);
        samples.push(addNoise(y, x.eps, process.levels(s)));
      }
      return { y_after_step: stack(signals), x_after_step: stack(samples) };
    },
  },
];
