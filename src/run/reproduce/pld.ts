import { dist } from '../../methods/logits/dist.ts';
import { kd, supervised } from '../../methods/logits/kd.ts';
import { pld as method } from '../../methods/logits/pld.ts';
import {
  type DigitsSettings,
  digitsArms,
  digitsDiffers,
  digitsQuick,
  digitsSettings,
  runDigits,
} from './digits.ts';
import type { Arms } from './side-by-side.ts';
import { defineReproduction } from './types.ts';

const ARMS: Arms = {
  ce: { what: 'cross-entropy with labels, no teacher', method: supervised },
  kd: { what: 'KD, label weight 0.1, τ 2', method: kd, options: { alpha: 0.1, temperature: 2 } },
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
export const pld = defineReproduction<DigitsSettings>({
  slug: 'pld',
  paper:
    'PLD, one loss without a mixing weight, is above CE, KD and DIST: +0.42 points over DIST and +1.04 over KD on average for pairs of one kind (CIFAR-100, ImageNet).',
  claim:
    'With few labelled student examples and a good teacher, PLD alone at τ 4 is at least 1 point of test accuracy above CE, and not below KD.',
  data: ['dataset:digits'],
  settings: digitsSettings,
  quick: digitsQuick,
  seeds: [1, 2, 3, 4, 5],
  arms: digitsArms(ARMS),
  metrics: { accuracy: 'test accuracy of the last step, %' },
  criteria: [
    {
      says: 'PLD at τ 4 is at least 1 point above cross-entropy',
      metric: 'accuracy',
      arm: 'pld4',
      against: ['ce'],
      better: 'higher',
      by: { atLeast: 1 },
      role: 'main',
    },
    {
      says: 'PLD at τ 4 is not below KD',
      metric: 'accuracy',
      arm: 'pld4',
      against: ['kd'],
      better: 'higher',
      by: { atLeast: 0 },
      role: 'main',
    },
    {
      says: 'PLD at τ 1 is not below cross-entropy',
      metric: 'accuracy',
      arm: 'pld1',
      against: ['ce'],
      better: 'higher',
      by: { atLeast: 0 },
      role: 'secondary',
    },
    {
      says: 'weights by confidence beat uniform weights',
      metric: 'accuracy',
      arm: 'pld4',
      against: ['listmle'],
      better: 'higher',
      by: { atLeast: 0 },
      role: 'secondary',
    },
    {
      says: 'PLD at τ 4 is not below DIST',
      metric: 'accuracy',
      arm: 'pld4',
      against: ['dist'],
      better: 'higher',
      by: { atLeast: 0 },
      role: 'secondary',
    },
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
  differs: digitsDiffers,
  run: runDigits(ARMS),
});
