import { DecantError } from '../../util/errors.ts';

/** The keys of config.json that set rotary positions. Newer files put them under `rope_parameters`. */
export interface RopeConfig {
  rope_theta?: number;
  rope_scaling?: RopeScaling | null;
  rope_parameters?: (RopeScaling & { rope_theta?: number }) | null;
  max_position_embeddings: number;
}

export interface RopeScaling {
  rope_type?: string;
  type?: string;
  factor?: number;
  low_freq_factor?: number;
  high_freq_factor?: number;
  original_max_position_embeddings?: number;
  beta_fast?: number;
  beta_slow?: number;
  attention_factor?: number;
  mscale?: number;
  mscale_all_dim?: number;
  [key: string]: unknown;
}

/**
 * Inverse frequencies `[width / 2]` and the factor on cos and sin (Su et al. 2021) for the scaling variants
 * default, linear, llama3, yarn (Peng et al. 2023) and dynamic (which equals default up to the trained length).
 */
export function ropeFrequencies(c: RopeConfig, width: number): { inverse: Float32Array; scale: number } {
  const scaling = c.rope_parameters ?? c.rope_scaling ?? {};
  const theta = c.rope_parameters?.rope_theta ?? c.rope_theta ?? 10000;
  const kind = scaling.rope_type ?? scaling.type ?? 'default';
  const half = width / 2;
  const base = Float64Array.from({ length: half }, (_, i) => theta ** (-(2 * i) / width));
  const factor = scaling.factor ?? 1;
  const f32 = (f: (w: number, i: number) => number): Float32Array => Float32Array.from(base, f);
  switch (kind) {
    case 'default':
    case 'dynamic':
      return { inverse: f32((w) => w), scale: 1 };
    case 'linear':
      return { inverse: f32((w) => w / factor), scale: 1 };
    case 'llama3': {
      const low = scaling.low_freq_factor ?? 1;
      const high = scaling.high_freq_factor ?? 4;
      const trained = scaling.original_max_position_embeddings ?? 8192;
      const inverse = f32((w) => {
        const wavelength = (2 * Math.PI) / w;
        if (wavelength < trained / high) return w;
        if (wavelength > trained / low) return w / factor;
        const smooth = (trained / wavelength - low) / (high - low);
        return ((1 - smooth) * w) / factor + smooth * w;
      });
      return { inverse, scale: 1 };
    }
    case 'yarn':
      return yarn(base, width, theta, c, scaling);
    default:
      throw new DecantError('model', 'unknown rotary scaling', {
        at: 'config.json: rope_scaling.rope_type',
        seen: kind,
        allowed: 'default, linear, dynamic, llama3, yarn',
      });
  }
}

function yarn(
  base: Float64Array,
  width: number,
  theta: number,
  c: RopeConfig,
  s: RopeScaling,
): { inverse: Float32Array; scale: number } {
  const trained = s.original_max_position_embeddings ?? c.max_position_embeddings;
  const factor = s.factor ?? c.max_position_embeddings / trained;
  const rotationAt = (turns: number): number =>
    (width * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(Math.floor(rotationAt(s.beta_fast ?? 32)), 0);
  const high = Math.min(Math.ceil(rotationAt(s.beta_slow ?? 1)), width - 1);
  const inverse = Float32Array.from(base, (w, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(high - low, 0.001)));
    return (w / factor) * ramp + w * (1 - ramp);
  });
  const mscale = (m: number): number => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);
  const scale =
    s.attention_factor ??
    (s.mscale && s.mscale_all_dim ? mscale(s.mscale) / mscale(s.mscale_all_dim) : mscale(1));
  return { inverse, scale };
}
