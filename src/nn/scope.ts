import type { Tensor } from '../graph/tensor.ts';
import { DecantError } from '../util/errors.ts';
import { closest } from '../util/suggest.ts';
import type { Params } from './params.ts';

/** What a model's forward pass may ask for, besides its inputs. */
export interface ForwardContext {
  /** Training mode: dropout is on, batch norm uses batch statistics. */
  readonly train?: boolean;
  /** Randomness for dropout: returns a fresh key per call. Without it dropout is off. */
  readonly nextKey?: () => Tensor;
  /** Rate of every dropout, in place of the model's own rates. */
  readonly dropout?: number;
  /** Filled with every activation by dotted path, when given. */
  readonly taps?: Map<string, Tensor>;
  /** Replaces an activation by dotted path (interventions, feature injection). */
  readonly intercept?: (path: string, value: Tensor) => Tensor;
  /** Filled with new values of buffers (running statistics) by full name, in training mode. */
  readonly updates?: Map<string, Tensor>;
  /** Wraps linear layers (LoRA): receives the module path, its input, and its plain output. */
  readonly adapt?: (path: string, x: Tensor, y: Tensor, params: Params<Tensor>) => Tensor;
}

/** A place in a model: where its parameters are and under which path its activations are tapped. */
export interface Scope {
  readonly path: string;
  readonly ctx: ForwardContext;
  readonly params: Params<Tensor>;
  /** The parameter `name` of this module; a missing one is an error that names it in full. */
  param(name: string): Tensor;
  has(name: string): boolean;
  /** The scope of a child module (`at('layer.0')`). */
  at(name: string): Scope;
  /** Records the module's output (or a named part of it) for taps, and returns it. */
  tap(value: Tensor, name?: string): Tensor;
}

export function scopeOf(params: Params<Tensor>, ctx: ForwardContext = {}, path = ''): Scope {
  const full = (name: string): string => (path === '' ? name : name === '' ? path : `${path}.${name}`);
  return {
    path,
    ctx,
    params,
    param(name) {
      const t = params[full(name)];
      if (t === undefined) {
        const hint = closest(full(name), Object.keys(params));
        throw new DecantError('model', `parameter '${full(name)}' is missing`, {
          fix: hint
            ? `the nearest name in the checkpoint is '${hint}'`
            : 'check that config.json fits the checkpoint',
        });
      }
      return t;
    },
    has: (name) => params[full(name)] !== undefined,
    at: (name) => scopeOf(params, ctx, full(name)),
    tap(value, name = '') {
      const at = full(name);
      const out = ctx.intercept ? ctx.intercept(at, value) : value;
      ctx.taps?.set(at, out);
      return out;
    },
  };
}
