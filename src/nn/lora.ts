import { add, dropout as dropoutOp, matmul, mul, type NDArray, ndarray } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { closest } from '../util/suggest.ts';
import { type AnyModel, tracedForward } from './model.ts';
import { fanInInit, type ParamSpecs, type Params, zerosInit } from './params.ts';
import { type ForwardContext, scopeOf } from './scope.ts';

export interface LoraOptions {
  /** Inner width r of the update. */
  readonly rank: number;
  /** The update is scaled by alpha / rank. Default 2 · rank. */
  readonly alpha?: number;
  /**
   * Linear layers that get an update: full paths, or their last parts (`q_proj`, `attention.self.query`). `all` is every
   * linear layer. Default: all attention projections.
   */
  readonly targets?: readonly string[] | 'all';
  /** Dropout of the adapters' input; default 0. */
  readonly dropout?: number;
  /** Modules that are trained as a whole beside the adapters, for example a fresh `classifier`. Default none. */
  readonly train?: readonly string[];
}

/** A model with adapters: the same inputs and outputs, adapters as its only trainable parameters. */
export type LoraModel<M extends Pick<AnyModel, 'params' | 'inputs' | 'forward'>> = M & {
  readonly lora: LoraInfo;
};

export interface LoraInfo {
  /** Factor of the update: alpha / rank. */
  readonly scale: number;
  /** Adapted layers: path, and whether the weight is stored `[in, out]` (GPT-2). */
  readonly layers: readonly { readonly path: string; readonly transposed: boolean }[];
}

interface LinearLayer {
  readonly path: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly transposed: boolean;
}

/** Every linear layer that the forward pass runs through, in its order. */
export function linearLayers(model: Pick<AnyModel, 'params' | 'inputs' | 'forward'>): LinearLayer[] {
  const found = new Map<string, LinearLayer>();
  tracedForward(model, {
    adapt: (path, x, y) => {
      const inputs = x.shape[x.rank - 1] as number;
      const outputs = y.shape[y.rank - 1] as number;
      const stored = model.params[`${path}.weight`]?.shape;
      // an [in, out] weight that is square looks like any other: GPT-2's layers say what they are by their names
      const transposed = inputs === outputs ? GPT2_LAYER.test(path) : stored?.[0] === inputs;
      found.set(path, { path, inputs, outputs, transposed });
      return y;
    },
  });
  return [...found.values()];
}

const GPT2_LAYER = /(^|\.)(c_attn|c_proj|c_fc)$/;
const ATTENTION = /attn|attention/;

function chosen(layers: readonly LinearLayer[], targets: LoraOptions['targets']): LinearLayer[] {
  if (targets === 'all') return [...layers];
  if (targets === undefined) {
    const attention = layers.filter((l) => ATTENTION.test(l.path));
    if (attention.length > 0) return attention;
    throw new DecantError('model', 'the model has no attention layers to adapt', {
      at: 'lora.targets',
      allowed: layers.map((l) => l.path).join(', '),
      fix: "name the layers, or give 'all'",
    });
  }
  const fits = (path: string, target: string): boolean => path === target || path.endsWith(`.${target}`);
  for (const target of targets) {
    if (layers.some((l) => fits(l.path, target))) continue;
    const near = closest(target, [
      ...layers.map((l) => l.path),
      ...layers.map((l) => l.path.split('.').at(-1)!),
    ]);
    throw new DecantError('model', 'no linear layer has this path', {
      at: 'lora.targets',
      seen: target,
      allowed: [...new Set(layers.map((l) => l.path.split('.').at(-1)))].join(', '),
      fix: near ? `did you mean '${near}'?` : undefined,
    });
  }
  return layers.filter((l) => targets.some((t) => fits(l.path, t)));
}

/**
 * Low-rank adaptation (Hu et al. 2022, eq. 3): y + alpha/r · B A x on chosen linear layers. Adapter parameters are
 * `<path>.lora_A.weight [r, in]` and `lora_B.weight [out, r]` as in PEFT; B starts at 0, so the model starts unchanged.
 * All other parameters become buffers: kept with the model, untouched by the optimizer, without optimizer state.
 */
export function withLora<M extends Pick<AnyModel, 'params' | 'inputs' | 'forward'>>(
  model: M,
  options: LoraOptions,
): LoraModel<M> {
  const { rank, alpha = 2 * rank, dropout = 0 } = options;
  if (!Number.isInteger(rank) || rank < 1)
    throw new DecantError('model', 'the rank is a positive integer', { at: 'lora.rank', seen: rank });
  const linear = linearLayers(model);
  if (linear.length === 0)
    throw new DecantError('model', 'the model has no linear layers to adapt', {
      at: 'lora',
      fix: 'train it as a whole',
    });
  const layers = chosen(linear, options.targets);
  const adapters: ParamSpecs = {};
  for (const { path, inputs, outputs } of layers) {
    adapters[`${path}.lora_A.weight`] = { shape: [rank, inputs], init: fanInInit };
    adapters[`${path}.lora_B.weight`] = { shape: [outputs, rank], init: zerosInit };
  }
  const whole = (name: string): boolean => (options.train ?? []).some((m) => name.startsWith(`${m}.`));
  const frozen = Object.fromEntries(
    Object.entries(model.params).map(([n, p]) => [n, whole(n) ? p : { ...p, buffer: true }]),
  );
  const adapted = new Set(layers.map((l) => l.path));
  const scale = alpha / rank;
  const adapt =
    (ctx: ForwardContext): NonNullable<ForwardContext['adapt']> =>
    (path, x, y, params) => {
      const base = ctx.adapt ? ctx.adapt(path, x, y, params) : y;
      if (!adapted.has(path)) return base;
      const a = params[`${path}.lora_A.weight`];
      const b = params[`${path}.lora_B.weight`];
      const seen = dropout > 0 && ctx.train && ctx.nextKey ? dropoutOp(x, dropout, ctx.nextKey()) : x;
      const inner = matmul(seen, a, { transB: true });
      return add(base, matmul(mul(inner, scale), b, { transB: true }));
    };
  return {
    ...model,
    params: { ...frozen, ...adapters },
    forward: ((s, inputs) =>
      model.forward(scopeOf(s.params, { ...s.ctx, adapt: adapt(s.ctx) }, s.path), inputs)) as M['forward'],
    lora: { scale, layers: layers.map(({ path, transposed }) => ({ path, transposed })) },
  };
}

/** Parameters of the adapters alone: what a fine-tuned variant has to store. */
export const adapterParams = <L>(params: Params<L>): Params<L> =>
  Object.fromEntries(Object.entries(params).filter(([name]) => isAdapter(name)));

const isAdapter = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** The base model's parameters with W + alpha/r · B A in place of each adapted W: for export, at no cost at run time. */
export function mergeLora(model: { readonly lora: LoraInfo }, params: Params<NDArray>): Params<NDArray> {
  const merged = Object.fromEntries(Object.entries(params).filter(([name]) => !isAdapter(name)));
  for (const { path, transposed } of model.lora.layers) {
    const name = `${path}.weight`;
    const [weight, a, b] = [name, `${path}.lora_A.weight`, `${path}.lora_B.weight`].map((n) => {
      if (params[n]) return params[n];
      throw new DecantError('model', `parameter '${n}' is missing`, {
        fix: 'give all parameters of the adapted model',
      });
    });
    merged[name] = updated(weight, a, b, model.lora.scale, transposed);
  }
  return merged;
}

function updated(weight: NDArray, a: NDArray, b: NDArray, scale: number, transposed: boolean): NDArray {
  const [rank, inputs] = a.shape;
  const outputs = b.shape[0];
  const out = Float32Array.from(weight.data as Float32Array);
  const [rowA, rowB] = [a.data as Float32Array, b.data as Float32Array];
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += rowB[o * rank + r] * rowA[r * inputs + i];
      out[transposed ? i * outputs + o : o * inputs + i] += scale * sum;
    }
  }
  return ndarray(out, weight.shape);
}
