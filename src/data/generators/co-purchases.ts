import { z } from 'zod';
import { DecantError } from '../../util/errors.ts';
import { createRng, type Rng } from '../../util/rng.ts';
import type { GeneratedSet } from '../builtins.ts';

const share = z.number().min(0).max(1);

/** Options of `builtin:co-purchases`. */
export const coPurchaseOptions = z.strictObject({
  nodes: z.int().min(100).default(2000).describe('products'),
  classes: z.int().min(2).max(12).default(6).describe('departments of the shop'),
  features: z.int().min(4).default(32).describe('numbers that describe a product'),
  signal: z
    .number()
    .positive()
    .default(0.35)
    .describe('standard deviation between department means, where that within a department is 1'),
  degree: z.number().positive().default(5).describe('co-purchases per product, on average'),
  homophily: share.default(0.8).describe('share of co-purchases within a department'),
  labelled: z.int().positive().default(20).describe('products per department whose department is known'),
  validation: z.int().positive().default(300).describe('labelled products for early stopping and tuning'),
  test: z.int().positive().default(1000).describe('labelled products for the final figures'),
  seed: z.int().default(1).describe('seed of the generator'),
});
export type CoPurchaseOptions = z.input<typeof coPurchaseOptions>;

const DEPARTMENTS = [
  'books',
  'garden',
  'kitchen',
  'music',
  'sports',
  'toys',
  'tools',
  'pets',
  'office',
  'beauty',
  'games',
  'shoes',
];

/**
 * Products of a shop and which of them are bought together: a degree-corrected stochastic block model (Karrer and Newman
 * 2011) with Gaussian features. Each product belongs to a department; its features are the department's mean (drawn with
 * deviation `signal`) plus unit noise; its popularity is log-normal (σ 0.7), and a co-purchase is drawn by popularity,
 * with probability `homophily` inside the first product's department. Few departments are known. Features alone tell the
 * department poorly, neighbours help; a product that is new has no co-purchases yet. Same options, same graph.
 */
export function coPurchases(input: CoPurchaseOptions = {}): GeneratedSet {
  const o = coPurchaseOptions.parse(input);
  const split = o.labelled * o.classes + o.validation + o.test;
  if (split > o.nodes)
    throw new DecantError('recipe', 'more labelled products are asked for than there are products', {
      at: 'data.options',
      seen: `${o.labelled} × ${o.classes} + ${o.validation} + ${o.test}`,
      allowed: `nodes: ${o.nodes}`,
    });
  const rng = createRng(`co-purchases/${o.seed}`);
  const classes = DEPARTMENTS.slice(0, o.classes);
  const means = classes.map(() => Array.from({ length: o.features }, () => o.signal * rng.normal()));
  const department = Array.from({ length: o.nodes }, (_, i) => i % o.classes);
  rng.shuffle(department);
  const popularity = department.map(() => Math.exp(0.7 * rng.normal()));
  const x = department.map((c) => means[c].map((m) => m + rng.normal()));
  const names = splits(department, o, rng);
  const ids = department.map((_, i) => `p${String(i + 1).padStart(5, '0')}`);
  const nodes = department.map((c, i) => ({
    id: ids[i],
    label: names[i] === 'none' ? '' : classes[c],
    split: names[i],
    ...Object.fromEntries(x[i].map((v, j) => [`f${j + 1}`, Number(v.toFixed(4))])),
  }));
  return {
    splits: { nodes: () => nodes, edges: () => edges(department, popularity, ids, o) },
    columns: {},
    classes,
  };
}

function splits(department: readonly number[], o: z.output<typeof coPurchaseOptions>, rng: Rng): string[] {
  const out = department.map(() => 'none');
  const order = rng.shuffle(department.map((_, i) => i));
  const known = new Array<number>(o.classes).fill(0);
  const rest: number[] = [];
  for (const i of order) {
    if (known[department[i]] < o.labelled) {
      known[department[i]]++;
      out[i] = 'train';
    } else rest.push(i);
  }
  rest.slice(0, o.validation).forEach((i) => {
    out[i] = 'validation';
  });
  rest.slice(o.validation, o.validation + o.test).forEach((i) => {
    out[i] = 'test';
  });
  return out;
}

function edges(
  department: readonly number[],
  popularity: readonly number[],
  ids: readonly string[],
  o: z.output<typeof coPurchaseOptions>,
): { source: string; target: string }[] {
  const rng = createRng(`co-purchases/${o.seed}/edges`);
  const everyone = department.map((_, i) => i);
  const anyone = sampler(everyone, popularity);
  const within = Array.from({ length: o.classes }, (_, c) =>
    sampler(
      everyone.filter((i) => department[i] === c),
      popularity,
    ),
  );
  const seen = new Set<number>();
  const out: { source: string; target: string }[] = [];
  const wanted = Math.min(Math.round((o.nodes * o.degree) / 2), (o.nodes * (o.nodes - 1)) / 8);
  // a small or strictly homophilous graph may not have that many pairs
  for (let tries = 0; out.length < wanted && tries < 50 * wanted; tries++) {
    const a = anyone(rng);
    const inside = rng.uniform() < o.homophily;
    let b = inside ? within[department[a]](rng) : anyone(rng);
    while (!inside && department[b] === department[a]) b = anyone(rng);
    const key = Math.min(a, b) * o.nodes + Math.max(a, b);
    if (a === b || seen.has(key)) continue;
    seen.add(key);
    out.push({ source: ids[a], target: ids[b] });
  }
  return out;
}

/** Draws from a list in proportion to weights, by bisection of their running sums. */
function sampler(list: readonly number[], weights: readonly number[]): (rng: Rng) => number {
  let total = 0;
  const sums = list.map((i) => {
    total += weights[i];
    return total;
  });
  return (rng) => {
    const at = rng.uniform() * total;
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] > at) high = middle;
      else low = middle + 1;
    }
    return list[low];
  };
}
