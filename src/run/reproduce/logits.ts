import { dist } from '../../methods/logits/dist.ts';
import { dkd } from '../../methods/logits/dkd.ts';
import { kd, supervised } from '../../methods/logits/kd.ts';
import { logitStandardization } from '../../methods/logits/logit-standardization.ts';
import { nkd } from '../../methods/logits/nkd.ts';
import type { Method } from '../../methods/method.ts';
import {
  type DigitsSettings,
  digitsArms,
  digitsDiffers,
  digitsQuick,
  digitsSettings,
  runDigits,
} from './digits.ts';
import type { Arms } from './side-by-side.ts';
import { type Criterion, defineReproduction, type Reproduction } from './types.ts';

/** A classic on digits with its paper's own settings, beside cross-entropy and KD. */
function classic(method: Method, name: string, paper: string): Reproduction<DigitsSettings> {
  const { slug } = method;
  const arms: Arms = {
    ce: { what: 'cross-entropy with labels, no teacher', method: supervised },
    kd: { what: 'KD, label weight 0.1, τ 2', method: kd, options: { alpha: 0.1, temperature: 2 } },
    [slug]: { what: `${name}, settings of its paper`, method },
  };
  const ahead = (against: string, atLeast: number, says: string): Criterion => ({
    says,
    metric: 'accuracy',
    arm: slug,
    against: [against],
    better: 'higher',
    by: { atLeast },
    role: 'main',
  });
  return defineReproduction<DigitsSettings>({
    slug,
    paper,
    claim: `With few labelled student examples and a good teacher, ${name} is at least 0.3 points of test accuracy above cross-entropy, and not below KD.`,
    data: ['dataset:digits'],
    settings: digitsSettings,
    quick: digitsQuick,
    seeds: [1, 2, 3, 4, 5],
    arms: digitsArms(arms),
    metrics: { accuracy: 'test accuracy of the last step, %' },
    criteria: [
      ahead('ce', 0.3, `${name} is at least 0.3 points above cross-entropy`),
      ahead('kd', 0, `${name} is not below KD`),
    ],
    differs: [...digitsDiffers, 'nothing was tuned: neither the method’s settings nor those of KD'],
    run: runDigits(arms),
  });
}

/** Reproductions of the logit methods that share one problem. */
export const classics: readonly Reproduction[] = [
  classic(dkd, 'DKD', 'DKD is above KD on CIFAR-100 and ImageNet, and level with the best feature methods.'),
  classic(nkd, 'NKD', 'NKD is above KD on CIFAR-100 and ImageNet.'),
  classic(dist, 'DIST', 'DIST is above KD, the more so the stronger the teacher.'),
  classic(
    logitStandardization,
    'KD on standardized logits',
    'Standardized logits improve KD and methods built on it on CIFAR-100 and ImageNet.',
  ),
];
