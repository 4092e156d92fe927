import type { Json } from './types.ts';

/** A place where a result differs from the golden value. */
export interface Mismatch {
  readonly path: string;
  readonly detail: string;
}

export interface Comparison {
  readonly mismatches: readonly Mismatch[];
  /** Largest max|got - want| / max(1, max|want|) over the arrays compared. */
  readonly error: number;
}

const isObject = (v: unknown): v is Record<string, Json> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);

/** Numbers, infinities and "not defined", nested: one array with one scale. */
const isNumeric = (v: Json): boolean =>
  v === null ||
  typeof v === 'number' ||
  v === '-inf' ||
  v === 'inf' ||
  (Array.isArray(v) && v.every(isNumeric));

/**
 * Compares a result with a golden value: numbers by max|got - want| ≤ tolerance · max(1, max|want|) over the whole
 * array, "-inf" by identity, null ("not defined") with null, undefined or NaN, text and booleans exactly. Objects may
 * have more keys than the golden one.
 */
export function compare(got: unknown, want: Json, tolerance: number, path = ''): Comparison {
  const mismatches: Mismatch[] = [];
  let worst = 0;
  const miss = (at: string, detail: string): void => {
    mismatches.push({ path: at, detail });
  };

  const numeric = (g: unknown, w: Json, at: string): void => {
    const gs: unknown[] = [];
    const ws: (number | null)[] = [];
    if (!pairUp(g, w, gs, ws)) {
      miss(at, `shape ${shapeOf(g)}, expected ${shapeOf(w)}`);
      return;
    }
    const scale = ws.reduce<number>(
      (m, x) => (x !== null && Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m),
      1,
    );
    let off = 0;
    let wrong: string | undefined;
    for (let i = 0; i < ws.length && wrong === undefined; i++) {
      const [a, b] = [gs[i], ws[i]];
      if (b === null) {
        if (!(a === null || a === undefined || Number.isNaN(a)))
          wrong = `element ${i} is ${a}, expected "not defined"`;
      } else if (!Number.isFinite(b)) {
        if (a !== b) wrong = `element ${i} is ${a}, expected ${b}`;
      } else if (typeof a !== 'number' || !Number.isFinite(a)) {
        wrong = `element ${i} is ${a}, expected ${b}`;
      } else off = Math.max(off, Math.abs(a - b));
    }
    if (wrong !== undefined) {
      miss(at, wrong);
      return;
    }
    worst = Math.max(worst, off / scale);
    if (off > tolerance * scale)
      miss(at, `off by ${off.toExponential(2)}, allowed ${(tolerance * scale).toExponential(2)}`);
  };

  const walk = (g: unknown, w: Json, at: string): void => {
    if (isNumeric(w)) numeric(g, w, at);
    else if (Array.isArray(w)) {
      if (!Array.isArray(g) || g.length !== w.length)
        miss(at, `has ${Array.isArray(g) ? g.length : 'no'} elements, expected ${w.length}`);
      else w.forEach((x, i) => void walk(g[i], x, `${at}[${i}]`));
    } else if (isObject(w)) {
      for (const [k, x] of Object.entries(w)) {
        const below = at === '' ? k : `${at}.${k}`;
        if (!isObject(g) || !(k in g)) miss(below, 'is missing');
        else walk(g[k], x, below);
      }
    } else if (g !== w) miss(at, `is ${JSON.stringify(g)}, expected ${JSON.stringify(w)}`);
  };
  walk(got, want, path);
  return { mismatches, error: worst };
}

/** Collects the leaves of both trees in step; false when their structure differs. */
function pairUp(g: unknown, w: Json, gs: unknown[], ws: (number | null)[]): boolean {
  if (Array.isArray(w)) {
    return Array.isArray(g) && g.length === w.length && w.every((x, i) => pairUp(g[i], x, gs, ws));
  }
  if (Array.isArray(g)) return false;
  gs.push(g === '-inf' ? Number.NEGATIVE_INFINITY : g === 'inf' ? Number.POSITIVE_INFINITY : g);
  ws.push(
    w === '-inf' ? Number.NEGATIVE_INFINITY : w === 'inf' ? Number.POSITIVE_INFINITY : (w as number | null),
  );
  return true;
}

function shapeOf(v: unknown): string {
  const dims: number[] = [];
  for (let x = v; Array.isArray(x); x = x[0]) dims.push(x.length);
  return `[${dims.join(', ')}]`;
}
