export interface LbfgsOptions {
  /** Corrections kept, default 8. */
  memory?: number;
  maxIterations?: number;
  /** Stops when the largest gradient entry falls below this, default 1e-4. */
  tolerance?: number;
  /** Stops when a step lowers the value by less than this share, default 1e-12. */
  relative?: number;
  /** Inverse of an estimate of the Hessian's diagonal; the start of every direction. Default: ones. */
  inverseDiagonal?: Float64Array;
}

export interface LbfgsResult {
  value: number;
  iterations: number;
  evaluations: number;
  converged: boolean;
}

/** Writes the gradient at `x` into `gradient` and returns the value. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/**
 * Minimizes a smooth function in place: limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4 with the scaling
 * 7.20) and a line search for the weak Wolfe conditions by bracketing and bisection (c₁ 1e-4, c₂ 0.9). The
 * corrections are kept in float32, which halves the memory; they only shape the direction.
 */
export function minimizeLbfgs(
  x: Float64Array,
  objective: Objective,
  options: LbfgsOptions = {},
): LbfgsResult {
  const { memory = 8, maxIterations = 200, tolerance = 1e-4, relative = 1e-12, inverseDiagonal } = options;
  const n = x.length;
  let gradient: Float64Array = new Float64Array(n);
  let nextGradient: Float64Array = new Float64Array(n);
  const direction = new Float64Array(n);
  const start = new Float64Array(n);
  const pairs: { s: Float32Array; y: Float32Array; rho: number }[] = [];
  let value = objective(x, gradient);
  let evaluations = 1;
  let iteration = 0;
  for (; iteration < maxIterations && maxAbs(gradient) > tolerance; iteration++) {
    direct(direction, gradient, pairs, inverseDiagonal);
    let slope = dot(direction, gradient);
    if (!(slope < 0)) {
      pairs.length = 0;
      for (let i = 0; i < n; i++) direction[i] = -gradient[i] * (inverseDiagonal?.[i] ?? 1);
      slope = dot(direction, gradient);
    }
    start.set(x);
    let low = 0;
    let high = Number.POSITIVE_INFINITY;
    let step = pairs.length || inverseDiagonal ? 1 : Math.min(1, 1 / Math.sqrt(-slope));
    let next = value;
    let accepted = false;
    for (let tries = 0; tries < 30; tries++) {
      for (let i = 0; i < n; i++) x[i] = start[i] + step * direction[i];
      next = objective(x, nextGradient);
      evaluations++;
      if (!(next <= value + 1e-4 * step * slope)) high = step;
      else if (dot(nextGradient, direction) < 0.9 * slope) {
        low = step;
        accepted = true;
      } else {
        accepted = true;
        break;
      }
      step = high === Number.POSITIVE_INFINITY ? 2 * step : (low + high) / 2;
    }
    if (!accepted) {
      x.set(start);
      break;
    }
    const oldest = pairs.length === memory ? pairs.shift()! : undefined;
    const s = oldest?.s ?? new Float32Array(n);
    const y = oldest?.y ?? new Float32Array(n);
    let sy = 0;
    for (let i = 0; i < n; i++) {
      s[i] = x[i] - start[i];
      y[i] = nextGradient[i] - gradient[i];
      sy += s[i] * y[i];
    }
    if (sy > 1e-20) pairs.push({ s, y, rho: 1 / sy });
    [gradient, nextGradient] = [nextGradient, gradient];
    const gained = value - next;
    value = next;
    if (gained <= relative * Math.abs(value)) {
      iteration++;
      break;
    }
  }
  return { value, iterations: iteration, evaluations, converged: maxAbs(gradient) <= tolerance };
}

/** d = -H g by the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4). */
function direct(
  d: Float64Array,
  gradient: Float64Array,
  pairs: readonly { s: Float32Array; y: Float32Array; rho: number }[],
  inverse: Float64Array | undefined,
): void {
  for (let i = 0; i < d.length; i++) d[i] = -gradient[i];
  if (pairs.length === 0) {
    if (inverse) for (let i = 0; i < d.length; i++) d[i] *= inverse[i];
    return;
  }
  const alpha = new Float64Array(pairs.length);
  for (let k = pairs.length - 1; k >= 0; k--) {
    alpha[k] = pairs[k].rho * dot(pairs[k].s, d);
    addScaled(d, -alpha[k], pairs[k].y);
  }
  const last = pairs[pairs.length - 1];
  let square = 0; // yᵀ D⁻¹ y
  for (let i = 0; i < d.length; i++) square += last.y[i] * last.y[i] * (inverse ? inverse[i] : 1);
  const scale = 1 / (last.rho * square);
  for (let i = 0; i < d.length; i++) d[i] *= inverse ? scale * inverse[i] : scale;
  for (let k = 0; k < pairs.length; k++)
    addScaled(d, alpha[k] - pairs[k].rho * dot(pairs[k].y, d), pairs[k].s);
}

type Vector = Float32Array | Float64Array;

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function addScaled(target: Float64Array, factor: number, v: Vector): void {
  for (let i = 0; i < target.length; i++) target[i] += factor * v[i];
}

function maxAbs(v: Float64Array): number {
  let max = 0;
  for (let i = 0; i < v.length; i++) if (Math.abs(v[i]) > max) max = Math.abs(v[i]);
  return max;
}
