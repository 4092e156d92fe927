import type { Json, Vector } from '../../losses/vectors/index.ts';
import { finalNumber, majority } from './answers.ts';
import { herding, kCenter, noveltyFilter } from './diversity.ts';
import { setJaccard, wordDuplicates, wordShingles } from './duplicates.ts';

/** Golden-vector functions that steps compute. */
export const stepVectors: readonly Vector[] = [
  {
    kind: 'algorithmic',
    method: 'survey-kd-llm',
    function:
      'expansion filter: whitespace tokens, ROUGE-L F1 = 2 LCS/(|a|+|b|) against every item already kept (seed pool first), keep if max < threshold; self-consistency: majority answer, ties to the first seen, agreement = share',
    run: (c): Json => ({
      filter: noveltyFilter(c.input<string[]>('pool'), c.input<string[]>('candidates'), {
        threshold: c.number('threshold'),
      }).map(({ similarity, kept }) => ({ max_rouge_l: similarity, kept })),
      self_consistency: c
        .input<string[][]>('samples')
        .map((s) => ({ ...(majority(s) ?? { answer: null, agreement: 0 }) })),
    }),
  },
  {
    kind: 'algorithmic',
    method: 'survey-kd-dd',
    function:
      'near-dup: tokens /[a-z0-9]+/ lower-cased, word n-gram shingle sets (one shingle of all words if shorter than n), edge if Jaccard >= threshold, keep the lowest index of each connected component; jaccard list ordered (1,0),(2,0),(2,1),...',
    run: (c): Json => {
      const texts = c.input<string[]>('texts');
      const [n, threshold] = [c.number('n'), c.number('threshold')];
      const sets = texts.map((t) => wordShingles(t, n));
      return {
        jaccard: sets.flatMap((a, i) => sets.slice(0, i).map((b) => setJaccard(a, b))),
        kept: wordDuplicates(texts, { n, threshold }).kept,
      };
    },
  },
  {
    kind: 'algorithmic',
    method: 'survey-kd-dd',
    function:
      'herding: greedy argmin_x || (i+1) mu - sum(selected) - x || (nearest, without replacement), selection order; kcenter: farthest-first from index 0, order, first included',
    run: (c): Json => {
      const x = c.input<number[][]>('X');
      return {
        herding: herding(x, c.number('budget_herding')),
        kcenter: kCenter(x, c.number('budget_kcenter_including_first')),
      };
    },
  },
  {
    kind: 'algorithmic',
    method: 'frontier-kd',
    function:
      "final-answer extraction: (1) first \\boxed{number}; (2) number right after 'the [final|correct] answer is' (optional colon), case-insensitive; (3) last number in the text; (4) null. number = [-+]?$?digits with commas, optional decimals, optional %; value = with $ , % + removed",
    run: (c): Json => c.input<string[]>('texts').map((t) => ({ ...finalNumber(t) })),
  },
];
