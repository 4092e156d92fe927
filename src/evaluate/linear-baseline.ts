import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';
import { createRng } from '../util/rng.ts';
import { fitLogistic, type LogisticModel, logisticLogits } from './logistic.ts';
import { argmaxRows, logSumExp, sameLength } from './matrix.ts';
import {
  fitTfidf,
  type SparseMatrix,
  type Tfidf,
  type TfidfOptions,
  takeRows,
  transformTfidf,
} from './tfidf.ts';

export interface LinearBaselineOptions extends TfidfOptions {
  /** Inverse strength of the L2 penalty, or the values to choose from on the held-out part. */
  c?: number | readonly number[];
  /** Share of the training texts held out (per class) to choose C; default 0.2. */
  holdout?: number;
  seed?: number | string;
  /** Fitting stops when a step lowers the loss by less than this share; default 1e-4. */
  tolerance?: number;
  maxIterations?: number;
}

export interface LinearBaseline {
  tfidf: Tfidf;
  model: LogisticModel;
  /** The C that was used, and accuracy and mean NLL of every C that was tried on the held-out part. */
  c: number;
  tuning: { c: number; accuracy: number; nll: number }[];
  /** Weights and intercepts. */
  parameters: number;
  seconds: number;
}

const GRID = [3, 10, 30, 100] as const;

/**
 * TF-IDF + multinomial logistic regression, the honest baseline for text classification: what a linear model on
 * word n-grams reaches without any teacher. C is chosen on a held-out part (accuracy, then likelihood), each fit
 * starting from the last; then all texts are fitted. Deterministic: same texts, labels and options, same weights.
 */
export function fitLinearBaseline(
  texts: readonly string[],
  labels: ArrayLike<number>,
  classes: number,
  options: LinearBaselineOptions = {},
): LinearBaseline {
  const begun = performance.now();
  checkLabels(texts, labels, classes);
  const { seed = 0, holdout = 0.2, tolerance = 1e-4, maxIterations = 200 } = options;
  const fitting = { tolerance: 1e-9, relative: tolerance, maxIterations };
  const grid = typeof options.c === 'number' ? [options.c] : [...(options.c ?? GRID)].sort((a, b) => a - b);
  const tfidf = fitTfidf(texts, options);
  const x = transformTfidf(tfidf, texts);
  const weights = new Float64Array((x.cols + 1) * classes);
  const tuning: LinearBaseline['tuning'] = [];
  let c = grid[0];
  const split = grid.length > 1 ? stratifiedSplit(labels, classes, holdout, seed) : undefined;
  if (split?.held.length) {
    const train = { x: takeRows(x, split.kept), y: split.kept.map((i) => labels[i]) };
    const held = { x: takeRows(x, split.held), y: split.held.map((i) => labels[i]) };
    const moving = new Float64Array(weights.length);
    let best = { accuracy: -1, nll: Number.POSITIVE_INFINITY };
    let worse = 0;
    for (const candidate of grid) {
      const model = fitLogistic(train.x, train.y, classes, candidate, fitting, moving);
      const score = evaluate(model, held.x, held.y);
      tuning.push({ c: candidate, ...score });
      if (score.accuracy > best.accuracy || (score.accuracy === best.accuracy && score.nll < best.nll)) {
        best = score;
        c = candidate;
        weights.set(moving);
        worse = 0;
      } else if (++worse === 2) break; // past the optimum
    }
  } else if (grid.length > 1) {
    c = grid[grid.length >> 1]; // too few texts to hold any out
  }
  const { fit: _, ...model } = fitLogistic(x, labels, classes, c, fitting, weights);
  return {
    tfidf,
    model,
    c,
    tuning,
    parameters: weights.length,
    seconds: (performance.now() - begun) / 1000,
  };
}

/** Logits of the baseline, `[texts, classes]`, float32. */
export function linearBaselineLogits(baseline: LinearBaseline, texts: readonly string[]): NDArray {
  const logits = logisticLogits(baseline.model, transformTfidf(baseline.tfidf, texts));
  return ndarray(Float32Array.from(logits), [texts.length, baseline.model.classes]);
}

/** Most likely class of every text, `[texts]`. */
export const linearBaselineLabels = (baseline: LinearBaseline, texts: readonly string[]): Int32Array =>
  argmaxRows(linearBaselineLogits(baseline, texts));

function evaluate(
  model: LogisticModel,
  x: SparseMatrix,
  y: ArrayLike<number>,
): { accuracy: number; nll: number } {
  const logits = logisticLogits(model, x);
  const chosen = argmaxRows({ dtype: 'float64', shape: [x.rows, model.classes], data: logits });
  let right = 0;
  let nll = 0;
  for (let i = 0; i < x.rows; i++) {
    if (chosen[i] === y[i]) right++;
    nll += logSumExp(logits, i * model.classes, model.classes) - logits[i * model.classes + y[i]];
  }
  return { accuracy: right / x.rows, nll: nll / x.rows };
}

/** Rows to fit and rows to hold out, the same share of each class, at least one of a class stays. */
function stratifiedSplit(
  labels: ArrayLike<number>,
  classes: number,
  share: number,
  seed: number | string,
): { kept: number[]; held: number[] } {
  const byClass: number[][] = Array.from({ length: classes }, () => []);
  for (let i = 0; i < labels.length; i++) byClass[labels[i]].push(i);
  const rng = createRng(`linear-baseline/${seed}`);
  const held = new Set<number>();
  for (const rows of byClass)
    for (const row of rng
      .shuffle([...rows])
      .slice(0, Math.min(rows.length - 1, Math.round(share * rows.length))))
      held.add(row);
  const all = Array.from({ length: labels.length }, (_, i) => i);
  return { kept: all.filter((i) => !held.has(i)), held: all.filter((i) => held.has(i)) };
}

function checkLabels(texts: readonly string[], labels: ArrayLike<number>, classes: number): void {
  sameLength(texts, labels, 'texts and labels');
  for (let i = 0; i < labels.length; i++)
    if (!Number.isInteger(labels[i]) || labels[i] < 0 || labels[i] >= classes)
      throw new DecantError('data', `label of text ${i} is no class`, {
        seen: labels[i],
        allowed: `0 to ${classes - 1}`,
      });
}
