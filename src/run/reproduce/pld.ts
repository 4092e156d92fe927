import { dist } from '../../methods/logits/dist.ts';
import { pld as method } from '../../methods/logits/pld.ts';
import { higher, main } from './criteria.ts';
import { digitsRivals, onDigits } from './digits.ts';
import type { Arms } from './side-by-side.ts';

const ARMS: Arms = {
  ...digitsRivals,
  dist: {
    what: 'DIST, weights 0.1 / 0.45 / 0.45, τ 1',
    method: dist,
    options: { ce: 0.1, inter: 0.45, intra: 0.45 },
  },
  pld1: { what: 'PLD, τ 1', method, options: { temperature: 1 } },
  pld4: { what: 'PLD, τ 4', method, options: { temperature: 4 } },
  listmle: { what: 'PLD with uniform weights (ListMLE)', method, options: { weights: 'uniform' } },
};

/** PLD on 8×8 digits: 200 labelled images for a small student of a good teacher. */
export const pld = onDigits({
  slug: 'pld',
  paper:
    'PLD, one loss without a mixing weight, is above CE, KD and DIST: +0.42 points over DIST and +1.04 over KD on average for pairs of one kind (CIFAR-100, ImageNet).',
  claim:
    'With few labelled student examples and a good teacher, PLD alone at τ 4 is at least 1 point of test accuracy above CE, and not below KD.',
  arms: ARMS,
  criteria: [
    main(higher('PLD at τ 4 is at least 1 point above cross-entropy', 'accuracy', 'pld4', 'ce', 1)),
    main(higher('PLD at τ 4 is not below KD', 'accuracy', 'pld4', 'kd')),
    higher('PLD at τ 1 is not below cross-entropy', 'accuracy', 'pld1', 'ce'),
    higher('weights by confidence beat uniform weights', 'accuracy', 'pld4', 'listmle'),
    higher('PLD at τ 4 is not below DIST', 'accuracy', 'pld4', 'dist'),
  ],
  pilot: {
    figures: {
      teacher: '98.3',
      ce: '93.3 ± 1.2',
      kd: '94.1 ± 1.0',
      dist: '94.0 ± 1.5',
      pld1: '93.7 ± 1.5',
      pld4: '95.5 ± 0.5',
    },
    differs:
      'a reference implementation in another framework: other random splits, initial weights and batch orders, so single arms differ by about their deviation',
  },
});
