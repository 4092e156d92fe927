import { DecantError } from '../util/errors.ts';
import { isFloat } from './dtype.ts';
import { add } from './ops/arithmetic.ts';
import { identity, onesOf, zerosOf } from './ops/basic.ts';
import { shapeEquals, showShape } from './shape.ts';
import { Tensor, userFrame } from './tensor.ts';
import { topologicalNodes } from './trace.ts';
import { type MapTree, treeLeaves, treeMap, treeUnflatten } from './tree.ts';

/**
 * Reverse-mode gradients: Σ_i <seed_i, ∂output_i/∂x> for each x, as tensors that can be differentiated again.
 *
 * @param outputs tensors to differentiate; a single scalar needs no seed
 * @param xs tensors to differentiate with respect to (anything in the graph)
 * @param seeds cotangents, of the shapes of the outputs; default ones for scalars
 * @returns one tensor per x, of x's shape; zeros where the outputs do not depend on x
 */
export function gradients(
  outputs: Tensor | readonly Tensor[],
  xs: readonly Tensor[],
  seeds?: readonly Tensor[],
): Tensor[] {
  const ys = outputs instanceof Tensor ? [outputs] : outputs;
  const targets = new Set(xs.map((x) => x.node.id));
  const nodes = topologicalNodes(ys);
  // which nodes lie between an x and an output
  const active = new Set<number>();
  for (const n of nodes) {
    if (targets.has(n.id) || (n.op.vjp !== 'none' && n.inputs.some((t) => active.has(t.node.id))))
      active.add(n.id);
  }
  const cotangents = new Map<number, (Tensor | undefined)[]>();
  const accumulate = (t: Tensor, g: Tensor): void => {
    if (!shapeEquals(g.shape, t.shape)) {
      throw new DecantError(
        'internal',
        `cotangent ${showShape(g.shape)} of ${t.node.op.name} output ${showShape(t.shape)}`,
        {
          at: userFrame(t.node.origin),
        },
      );
    }
    const slots = cotangents.get(t.node.id) ?? Array<Tensor | undefined>(t.node.types.length).fill(undefined);
    const old = slots[t.index];
    slots[t.index] = old === undefined ? g : add(old, g);
    cotangents.set(t.node.id, slots);
  };
  ys.forEach((y, i) => {
    if (!isFloat(y.dtype))
      throw new DecantError('shape', `cannot differentiate a ${y.dtype} output`, {
        at: userFrame(y.node.origin),
      });
    if (!seeds && y.rank !== 0) {
      throw new DecantError('shape', `gradients of a non-scalar ${showShape(y.shape)} need seeds`, {
        at: userFrame(y.node.origin),
        fix: 'reduce the loss to a scalar (sum or mean), or pass seeds',
      });
    }
    accumulate(y, seeds ? seeds[i] : onesOf(y));
  });
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    const grads = cotangents.get(node.id);
    if (!grads || !active.has(node.id) || node.op.vjp === 'none' || node.inputs.length === 0) continue;
    const needs = (k: number): boolean => active.has(node.inputs[k].node.id) && isFloat(node.inputs[k].dtype);
    if (!node.inputs.some((_, k) => needs(k))) continue;
    const outs = node.types.map((_, k) => new Tensor(node, k));
    const back = node.op.vjp({ inputs: node.inputs, outputs: outs, attrs: node.attrs, grads, needs });
    node.inputs.forEach((t, k) => {
      const g = back[k];
      if (g !== undefined && needs(k)) accumulate(t, g);
    });
  }
  return xs.map((x) => cotangents.get(x.node.id)?.[x.index] ?? zerosOf(x));
}

// biome-ignore lint/suspicious/noExplicitAny: a differentiable function of any further arguments
type Rest = any[];

/**
 * Value and gradient of a function of a tree of tensors: `(params, ...rest) => scalar` becomes
 * `(params, ...rest) => [scalar, gradients like params]`. With `{ aux: true }` the function returns `[scalar, aux]`.
 */
export function valueAndGrad<P, R extends Rest>(
  fn: (params: P, ...rest: R) => Tensor,
): (params: P, ...rest: R) => [Tensor, MapTree<P, Tensor, Tensor>] {
  return (params, ...rest) => {
    // fresh identities, so that a tensor also reached through a closure is not differentiated by mistake
    const own = treeMap<Tensor, Tensor, P>(params, (t) => identity(t));
    const value = fn(own as P, ...rest);
    const grads = gradients(value, treeLeaves<Tensor>(own));
    return [value, treeUnflatten<Tensor, Tensor, P>(params, grads)];
  };
}

/** Like {@link valueAndGrad} for `(params, ...rest) => [scalar, aux]`; returns `[scalar, aux, gradients]`. */
export function valueAndGradAux<P, R extends Rest, X>(
  fn: (params: P, ...rest: R) => [Tensor, X],
): (params: P, ...rest: R) => [Tensor, X, MapTree<P, Tensor, Tensor>] {
  return (params, ...rest) => {
    const own = treeMap<Tensor, Tensor, P>(params, (t) => identity(t));
    const [value, aux] = fn(own as P, ...rest);
    const grads = gradients(value, treeLeaves<Tensor>(own));
    return [value, aux, treeUnflatten<Tensor, Tensor, P>(params, grads)];
  };
}

/** Gradient of a scalar function with respect to its first argument (a tree of tensors). */
export function grad<P, R extends Rest>(
  fn: (params: P, ...rest: R) => Tensor,
): (params: P, ...rest: R) => MapTree<P, Tensor, Tensor> {
  const both = valueAndGrad(fn);
  return (params, ...rest) => both(params, ...rest)[1];
}

/**
 * Forward mode by two reverse passes: the directional derivative of `fn` at `x` along `v`.
 * The inner product of seeds u with the vector-Jacobian product is linear in u; its derivative is J·v.
 */
export function jvp(
  fn: (x: Tensor[]) => Tensor,
  x: readonly Tensor[],
  v: readonly Tensor[],
): [Tensor, Tensor] {
  const own = x.map((t) => identity(t));
  const y = fn(own);
  const u = identity(zerosOf(y));
  const pulled = gradients([y], own, [u]);
  const [tangent] = gradients(pulled, [u], v);
  return [y, tangent];
}

/** Hessian-vector product of a scalar function: ∇(<∇f, v>). */
export function hvp(fn: (x: Tensor[]) => Tensor, x: readonly Tensor[], v: readonly Tensor[]): Tensor[] {
  const own = x.map((t) => identity(t));
  const first = gradients(fn(own), own);
  return gradients(first, own, v);
}
