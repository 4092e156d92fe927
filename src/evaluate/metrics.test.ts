import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { array } from '../graph/ndarray.ts';
import { createRng } from '../util/rng.ts';
import { klToTeacher, klToTopK, teacherAgreement, topKAgreement, topKOverlap } from './agreement.ts';
import {
  brierScores,
  calibrationError,
  calibrationSummary,
  negativeLogLikelihoods,
  reliabilityTable,
} from './calibration.ts';
import {
  accuracy,
  classScores,
  confusedPairs,
  confusionMatrix,
  macroF1,
  microF1,
  weightedF1,
} from './classification.ts';
import { averageRanks, kendall, pearson, spearman } from './correlation.ts';
import { bitsPerByte, exactMatch, normalizeAnswer, perplexity, tokenF1 } from './language.ts';
import { argmaxRows, asMatrix, logSumExp, softmaxRows, topColumns } from './matrix.ts';
import { averagePrecision, ndcg, rankingSummary, recallAt, reciprocalRank } from './ranking.ts';
import { longestCommonSubsequence, rouge, rougeL, rougeN } from './rouge.ts';

const numbers = (n: number, seed: string): number[] => {
  const rng = createRng(seed);
  return Array.from({ length: n }, () => rng.normal());
};

describe('matrix', () => {
  it('reads NDArrays and rows alike, refuses others', () => {
    expect(
      asMatrix(
        array([
          [1, 2],
          [3, 4],
        ]),
      ).data,
    ).toEqual(
      asMatrix([
        [1, 2],
        [3, 4],
      ]).data,
    );
    expect(() => asMatrix(array([1, 2]), 'logits')).toThrow(/logits must be two-dimensional.*\[2\]/);
    expect(() => asMatrix([[1, 2], [3]])).toThrow(/row 1/);
  });
  it('keeps log-sum-exp and softmax finite at extreme logits', () => {
    expect(logSumExp([1e4, 1e4])).toBeCloseTo(1e4 + Math.LN2, 9);
    expect(logSumExp([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])).toBe(Number.NEGATIVE_INFINITY);
    expect([...softmaxRows([[1e4, -1e4, Number.NEGATIVE_INFINITY]]).data]).toEqual([1, 0, 0]);
    expect([
      ...argmaxRows([
        [1, 3, 3],
        [2, 1, 0],
      ]),
    ]).toEqual([1, 0]);
    expect(topColumns(asMatrix([[1, 5, 3, 5, 2]]), 0, 3)).toEqual([1, 3, 2]);
  });
});

describe('classification', () => {
  // labels 0 0 0 1 1 2, predictions 0 0 1 1 2 2: tp 2 1 1, fp 0 1 1, fn 1 1 0
  const labels = [0, 0, 0, 1, 1, 2];
  const predicted = [0, 0, 1, 1, 2, 2];
  const confusion = confusionMatrix(predicted, labels, 4);
  it('counts by hand', () => {
    expect(accuracy(predicted, labels)).toBeCloseTo(4 / 6, 12);
    const s = classScores(confusion);
    expect([...s.precision]).toEqual([1, 0.5, 0.5, 0]);
    expect([...s.recall]).toEqual([2 / 3, 0.5, 1, 0]);
    expect(s.f1[0]).toBeCloseTo(0.8, 12);
    // class 3 neither occurs nor is predicted: left out of the macro mean
    expect(macroF1(confusion)).toBeCloseTo((0.8 + 0.5 + 2 / 3) / 3, 12);
    expect(microF1(confusion)).toBeCloseTo(4 / 6, 12);
    expect(weightedF1(confusion)).toBeCloseTo((3 * 0.8 + 2 * 0.5 + 2 / 3) / 6, 12);
    expect(confusedPairs(confusion)).toEqual([
      { label: 1, predicted: 2, count: 1, share: 0.5 },
      { label: 0, predicted: 1, count: 1, share: 1 / 3 },
    ]);
  });
  it('counts a class that is predicted but never right as F1 0 in the macro mean', () => {
    expect(macroF1(confusionMatrix([1, 0], [0, 0], 2))).toBeCloseTo((2 / 3 + 0) / 2, 12);
  });
  it('names the example whose class is out of range', () => {
    expect(() => confusionMatrix([0, 7], [0, 1], 2)).toThrow(/prediction of example 1.*seen: 7.*0 to 1/);
    expect(() => accuracy([1], [1, 2])).toThrow(/same length/);
  });
});

describe('language', () => {
  it('gives perplexity of masked tokens and bits per byte', () => {
    expect(perplexity([Math.log(2), Math.log(8)])).toBeCloseTo(4, 12);
    expect(perplexity([Math.log(2), 99], [1, 0])).toBeCloseTo(2, 12);
    expect(bitsPerByte([Math.LN2, Math.LN2 * 3], 8)).toBeCloseTo(0.5, 12);
  });
  it('matches answers as SQuAD does', () => {
    expect(normalizeAnswer('The  Cat, a "theme"!')).toBe('cat theme');
    expect(exactMatch(['the cat.', 'dog', '12'], ['Cat', ['wolf', 'Dog!'], '13'])).toBeCloseTo(2 / 3, 12);
    expect(tokenF1(['a big red dog'], ['red dog house'])[0]).toBeCloseTo((2 * 2) / (3 + 3), 12);
    expect(tokenF1([''], [''])[0]).toBe(1);
  });
});

describe('rouge', () => {
  it("gives the values of Lin's paper (section 3.1) for police/gunman", () => {
    const reference = 'police killed the gunman';
    expect(rougeL('police kill the gunman', reference).f1).toBeCloseTo(0.75, 12);
    expect(rougeL('the gunman kill police', reference).f1).toBeCloseTo(0.5, 12);
    expect(rougeN('police kill the gunman', reference, 2).f1).toBeCloseTo(1 / 3, 12);
    expect(rougeN('the gunman kill police', reference, 2).f1).toBeCloseTo(1 / 3, 12);
  });
  it('clips repeated n-grams and takes the best reference', () => {
    expect(rougeN('the the the', 'the cat', 1)).toEqual({ precision: 1 / 3, recall: 1 / 2, f1: 0.4 });
    expect(rouge(['a b'], [['c d', 'A  B!']])).toEqual({ rouge1: 1, rouge2: 1, rougeL: 1 });
    expect(rouge([''], ['a'])).toEqual({ rouge1: 0, rouge2: 0, rougeL: 0 });
  });
  it('finds longest common subsequences as exhaustive search does', () => {
    const slow = (a: number[], b: number[]): number =>
      a.length && b.length
        ? a[0] === b[0]
          ? 1 + slow(a.slice(1), b.slice(1))
          : Math.max(slow(a.slice(1), b), slow(a, b.slice(1)))
        : 0;
    const items = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 7 });
    fc.assert(fc.property(items, items, (a, b) => longestCommonSubsequence(a, b) === slow(a, b)));
  });
});

describe('ranking', () => {
  // order by score: documents 2 (rel 3), 0 (rel 0), 1 (rel 2), 3 (rel 1)
  const scores = [0.7, 0.5, 0.9, 0.1];
  const relevance = [0, 2, 3, 1];
  it('gives hand-computed nDCG, MRR, recall and average precision', () => {
    const dcg = 3 / Math.log2(2) + 2 / Math.log2(4) + 1 / Math.log2(5);
    const ideal = 3 + 2 / Math.log2(3) + 1 / Math.log2(4);
    expect(ndcg(scores, relevance)).toBeCloseTo(dcg / ideal, 12);
    expect(ndcg(scores, relevance, 2)).toBeCloseTo(3 / (3 + 2 / Math.log2(3)), 12);
    expect(ndcg(scores, relevance, 2, 'exponential')).toBeCloseTo(7 / (7 + 3 / Math.log2(3)), 12);
    expect(reciprocalRank([0.1, 0.9, 0.5], [1, 0, 0])).toBeCloseTo(1 / 3, 12);
    expect(reciprocalRank([0.1, 0.9, 0.5], [1, 0, 0], 2)).toBe(0);
    expect(recallAt(scores, relevance, 2)).toBeCloseTo(1 / 3, 12);
    expect(averagePrecision(scores, relevance)).toBeCloseTo((1 + 2 / 3 + 3 / 4) / 3, 12);
    expect(ndcg([1, 2], [0, 0])).toBeNaN();
  });
  it('leaves queries without relevant documents out of the means', () => {
    const s = rankingSummary(
      [
        { scores, relevance },
        { scores: [1], relevance: [0] },
      ],
      10,
    );
    expect(s).toMatchObject({ queries: 1, withoutRelevant: 1, mrr: 1, recall: 1 });
    expect(s.map).toBeCloseTo((1 + 2 / 3 + 3 / 4) / 3, 12);
  });
});

describe('correlation', () => {
  it('gives hand-computed values with ties', () => {
    expect([...averageRanks([3, 1, 3, 2])]).toEqual([3.5, 1, 3.5, 2]);
    expect(pearson([1, 2, 3], [2, 4, 7])).toBeCloseTo(5 / Math.sqrt(2 * (38 / 3)), 12);
    // ranks 1 2 3 4 5 against 2 1 4 3 5: 1 - 6·4 / (5·24)
    expect(spearman([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])).toBeCloseTo(0.8, 12);
    expect(kendall([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])).toBeCloseTo(0.6, 12);
    expect(spearman([1, 1], [1, 2])).toBeNaN();
  });
  it('agrees with the definition of τ-b over all pairs, ties included', () => {
    const values = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 })), {
      minLength: 3,
      maxLength: 40,
    });
    fc.assert(
      fc.property(values, (points) => {
        const x = points.map((p) => p[0]);
        const y = points.map((p) => p[1]);
        let sum = 0;
        let nx = 0;
        let ny = 0;
        for (let i = 0; i < x.length; i++)
          for (let j = 0; j < i; j++) {
            sum += Math.sign(x[i] - x[j]) * Math.sign(y[i] - y[j]);
            if (x[i] !== x[j]) nx++;
            if (y[i] !== y[j]) ny++;
          }
        const expected = nx && ny ? sum / Math.sqrt(nx * ny) : Number.NaN;
        const got = kendall(x, y);
        return Number.isNaN(expected) ? Number.isNaN(got) : Math.abs(got - expected) < 1e-12;
      }),
    );
  });
});

describe('agreement', () => {
  const student = [
    [2, 1, 0, -1],
    [0, 3, 1, 2],
    [1, 0, 0.5, 0.2],
  ];
  const teacher = [
    [3, 0, 1, -1],
    [0, 1, 2, 3],
    [1, 0, 0.5, 0.2],
  ];
  it('counts equal first choices and overlaps', () => {
    expect(teacherAgreement(student, teacher)).toBeCloseTo(2 / 3, 12);
    expect([...topKAgreement(student, teacher, 2)]).toEqual([1, 1, 1]);
    expect([...topKOverlap(student, teacher, 2)]).toEqual([0.5, 0.5, 1]);
  });
  it('gives the KL of two hand-made distributions', () => {
    const p = [0.5, 0.25, 0.25];
    const q = [0.25, 0.25, 0.5];
    const kl = klToTeacher([q.map(Math.log)], [p.map(Math.log)]);
    expect(kl[0]).toBeCloseTo(0.5 * Math.LN2 - 0.25 * Math.LN2, 12);
    expect(klToTeacher(teacher, teacher)[1]).toBe(0);
    expect(klToTeacher([[0, Number.NEGATIVE_INFINITY]], [[0, 0]])[0]).toBe(Number.POSITIVE_INFINITY);
    expect(klToTeacher([[0, 0]], [[0, Number.NEGATIVE_INFINITY]])[0]).toBeCloseTo(Math.LN2, 12);
  });
  it('keeps the top-k + tail value between 0 and the dense KL, equal at k = classes', () => {
    for (let seed = 0; seed < 30; seed++) {
      const s = [numbers(12, `s${seed}`)];
      const t = [numbers(12, `t${seed}`).map((v) => 3 * v)];
      const dense = klToTeacher(s, t)[0];
      const p = softmaxRows(t);
      let previous = 0;
      for (const k of [1, 3, 7, 12]) {
        const ids = topColumns(p, 0, k);
        const mass = ids.reduce((sum, c) => sum + p.data[c], 0);
        const logTail = [k === 12 ? Number.NEGATIVE_INFINITY : Math.log(1 - mass)];
        const value = klToTopK(s, { ids, logp: ids.map((c) => Math.log(p.data[c])), logTail, k })[0];
        expect(value).toBeGreaterThanOrEqual(previous - 1e-9); // refining the partition never lowers it
        expect(value).toBeLessThanOrEqual(dense + 1e-9);
        previous = value;
      }
      expect(previous).toBeCloseTo(dense, 9);
    }
  });
});

describe('calibration', () => {
  it('bins by width and by mass as computed by hand', () => {
    const confidence = [0.55, 0.6, 0.95, 1, 0.5];
    const correct = [1, 0, 1, 1, 0];
    const table = reliabilityTable(confidence, correct, 2);
    expect(table.map((b) => b.count)).toEqual([1, 4]); // 0.5 belongs to (0, 0.5]
    expect(calibrationError(table)).toBeCloseTo((1 / 5) * 0.5 + (4 / 5) * Math.abs(0.75 - 3.1 / 4), 12);
    const mass = reliabilityTable(confidence, correct, 2, 'mass');
    expect(mass.map((b) => b.count)).toEqual([3, 2]);
    expect(mass[0].confidence).toBeCloseTo((0.5 + 0.55 + 0.6) / 3, 12);
    expect(calibrationError(mass)).toBeCloseTo(
      (3 / 5) * Math.abs(1 / 3 - 0.55) + (2 / 5) * Math.abs(1 - 0.975),
      12,
    );
  });
  it('gives Brier score and likelihood', () => {
    const p = [[0.7, 0.2, 0.1]];
    expect(brierScores(p, [0])[0]).toBeCloseTo(0.09 + 0.04 + 0.01, 12);
    expect(negativeLogLikelihoods(p, [2])[0]).toBeCloseTo(-Math.log(0.1), 12);
  });
  it('finds a generated model calibrated, and its sharpened copy over-confident', () => {
    const rng = createRng('calibration');
    const rows: number[][] = [];
    const sharp: number[][] = [];
    const labels: number[] = [];
    for (let i = 0; i < 6000; i++) {
      const logits = [rng.normal() * 2, rng.normal() * 2, rng.normal() * 2];
      const p = [...softmaxRows([logits]).data];
      rows.push(p);
      sharp.push([...softmaxRows([logits.map((v) => 3 * v)]).data]);
      const u = rng.uniform();
      labels.push(u < p[0] ? 0 : u < p[0] + p[1] ? 1 : 2);
    }
    const good = calibrationSummary(rows, labels);
    const bad = calibrationSummary(sharp, labels);
    expect(good.eceWidth).toBeLessThan(0.03);
    expect(good.eceMass).toBeLessThan(0.03);
    expect(bad.eceWidth).toBeGreaterThan(0.1);
    expect(bad.overconfidence).toBeGreaterThan(0.1);
    expect(bad.nll).toBeGreaterThan(good.nll);
    expect(bad.brier).toBeGreaterThan(good.brier);
  });
});
