import { z } from 'zod';
import {
  add,
  cast,
  constant,
  div,
  floor,
  gather,
  mul,
  ndarray,
  rsqrt,
  square,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import {
  consistencyError,
  edmScalings,
  karrasSigma,
  type SigmaDenoiser,
  type SigmaLevel,
  sigmaWeight,
} from '../../losses/diffusion/consistency.ts';
import { perRow } from '../../losses/diffusion/process.ts';
import { type DiffusionSetting, forRows, networkOf, predictSample } from '../../losses/diffusion/setting.ts';
import type { CallableModel } from '../calls.ts';
import { defineMethod } from '../method.ts';

const config = z.strictObject({
  scales: z.int().min(3).default(18).describe('noise levels, spaced as in EDM (ρ 7)'),
  decay: z
    .number()
    .min(0)
    .lt(1)
    .default(0.95)
    .describe('decay of the averaged weights that targets come from'),
  norm: z.enum(['l1', 'l2']).default('l2').describe('distance of two outputs'),
  weight: z
    .enum(['uniform', 'snr', 'truncated-snr', 'karras'])
    .default('uniform')
    .describe('weight by noise level: 1, σ⁻², max(σ⁻², 1), σ⁻² + 1/σ_data²'),
  sigmaData: z
    .number()
    .positive()
    .default(1)
    .describe('standard deviation of the data: 1 fits the teacher’s own scaling of x and v'),
  start: z.enum(['teacher', 'fresh']).default('teacher').describe("the student's first weights"),
});
type Options = z.infer<typeof config>;

/** A noise level with the time that networks are told. */
interface TimedLevel extends SigmaLevel {
  readonly t: Tensor;
}

/** σ = σ_VP / α of the process at both ends. */
function rangeOf({ process, tMin, tMax }: DiffusionSetting) {
  const ratio = (t: number): number => process.at(t).sigma / process.at(t).alpha;
  return { sigmaMin: ratio(tMin), sigmaMax: ratio(tMax), rho: 7 };
}

/** D(x, σ) of a variance-preserving network, which sees x / √(1 + σ²). */
const denoiserOf =
  (model: CallableModel, setting: DiffusionSetting): SigmaDenoiser<TimedLevel> =>
  (x, { sigma, t }) =>
    predictSample(networkOf(model), setting)(mul(x, perRow(rsqrt(add(square(sigma), 1)), x)), t);

/** F = c_skip x + (c_out / c_out,plain) (D - c_skip,plain x): the denoiser, bent into the identity at σ_min. */
function consistencyOf(
  model: CallableModel,
  setting: DiffusionSetting,
  sigmaData: number,
): SigmaDenoiser<TimedLevel> {
  const denoise = denoiserOf(model, setting);
  const { sigmaMin } = rangeOf(setting);
  return (x, at) => {
    const [own, plain] = [
      edmScalings(at.sigma, { sigmaData, sigmaMin }),
      edmScalings(at.sigma, { sigmaData }),
    ];
    const network = sub(denoise(x, at), mul(perRow(plain.skip, x), x));
    return add(mul(perRow(own.skip, x), x), mul(perRow(div(own.out, plain.out), x), network));
  };
}

/** Consistency distillation: points of one trajectory are mapped to one clean sample. */
export const consistency = defineMethod<Options>({
  slug: 'consistency',
  family: 'generative',
  meta: {
    title: 'Consistency Models',
    year: 2023,
    link: 'arXiv 2303.01469',
    summary: 'two neighbouring points of a teacher trajectory must be mapped to the same clean sample',
    deviations: [
      'the range of noise is the process’s own instead of σ from 0.002 to 80',
      'squared distance and uniform weights by default; the perceptual distance is left out',
    ],
  },
  needs: { tasks: ['diffuse'], signals: [['weights']], labels: 'unused', sameVocabulary: false },
  config,
  loss({ models, random, diffusion, columns, masks }, { scales, norm, weight, sigmaData }) {
    const setting = diffusion!;
    const range = rangeOf(setting);
    const x0 = columns['input/sample'];
    const sigmas = Array.from({ length: scales }, (_, i) => karrasSigma(i / (scales - 1), range));
    const n = cast(floor(random!.uniform([masks.examples.shape[0]], 0, scales - 1)), 'int32');
    const table = (values: readonly number[], at: Tensor): Tensor =>
      gather(cast(constant(ndarray(Float64Array.from(values), [scales], 'float64')), x0.dtype), at);
    const level = (at: Tensor): TimedLevel => ({
      sigma: table(sigmas, at),
      t: table(
        sigmas.map((s) => setting.process.timeOf(s)),
        at,
      ),
    });
    const [from, to] = [level(n), level(add(n, 1))];
    const error = consistencyError<TimedLevel>(
      {
        x0,
        noise: random!.normal(x0.shape),
        from,
        to,
        student: consistencyOf(models!.student, setting, sigmaData),
        target: consistencyOf(models!.average!, setting, sigmaData),
        teacher: denoiserOf(models!.teacher!, setting),
      },
      norm,
    );
    return { consistency: { value: mul(error, sigmaWeight(from.sigma, weight, sigmaData)) } };
  },
  calls: {
    uses: ['teacher', 'average'],
    data: 'rows',
    decay: ({ decay }) => decay,
    start: ({ start }) => start,
    draw({ student, noise, diffusion }, { sigmaData }) {
      const { sigmaMax } = rangeOf(diffusion);
      const at = { sigma: forRows(sigmaMax, noise), t: forRows(diffusion.tMax, noise) };
      // at the last time the sample is α x₀ + σ ε with α almost 0: all noise, σ_max times 1 / √(1 + σ_max²) of it
      const x = mul(noise, Math.sqrt(1 + sigmaMax ** 2));
      return consistencyOf(student, diffusion, sigmaData)(x, at);
    },
    evaluations: () => 1,
  },
});
