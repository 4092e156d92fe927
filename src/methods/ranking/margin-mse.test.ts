import { describe, expect, it } from 'vitest';
import { evaluate64, f64 } from '../../losses/testing/evaluate.ts';
import { checkMethod } from '../testing/check-method.ts';
import { listwiseKlDistillation } from './listwise-kl.ts';
import { marginMseDistillation, matchMargins } from './margin-mse.ts';
import { marginMseVectors } from './margin-mse.vectors.ts';
import { ranknet } from './ranknet.ts';
import { ranknetKd, taughtRankNet } from './ranknet-kd.ts';
import { scoreMse } from './score-mse.ts';

checkMethod(marginMseDistillation, { vectors: marginMseVectors });
checkMethod(ranknet, { recipe: null });
checkMethod(ranknetKd, { recipe: null });
checkMethod(scoreMse, { recipe: null });
checkMethod(listwiseKlDistillation, { recipe: null });

describe('margin-mse', () => {
  it('averages the margins to the first candidate, or those of all pairs', () => {
    const s = f64([[3, 1, 0]]);
    const t = f64([[5, 4, 1]]);
    const value = (pairs: 'first' | 'all'): number =>
      evaluate64((x, y) => matchMargins(x, y, { pairs }), [s, t], []).value[0];
    // margins 2 and 3 against 1 and 4; between the two others 1 against 3
    expect(value('first')).toBeCloseTo((1 + 1) / 2, 12);
    expect(value('all')).toBeCloseTo((1 + 1 + 4) / 3, 12);
  });

  it('weighted RankNet keeps negative weights: a false negative is pushed up', () => {
    const { gradients } = evaluate64(
      (x, y) => taughtRankNet(x, y, { teacher: 'weights' }),
      [f64([[0, 0]]), f64([[1, 3]])],
    );
    // margin -2: the gradient of the first candidate is +2 · σ(0)
    expect([...gradients[0]]).toEqual([1, -1]);
  });
});
