import { dist } from '../../methods/logits/dist.ts';
import { dkd } from '../../methods/logits/dkd.ts';
import { logitStandardization } from '../../methods/logits/logit-standardization.ts';
import { nkd } from '../../methods/logits/nkd.ts';
import type { Method } from '../../methods/method.ts';
import { higher, main } from './criteria.ts';
import { digitsRivals, onDigits } from './digits.ts';
import type { Reproduction } from './types.ts';

/** A classic on digits with its paper's own settings, beside cross-entropy and KD. */
function classic(method: Method, name: string, paper: string): Reproduction {
  const { slug } = method;
  return onDigits({
    slug,
    paper,
    claim: `With few labelled student examples and a good teacher, ${name} is at least 0.3 points of test accuracy above cross-entropy, and not below KD.`,
    arms: { ...digitsRivals, [slug]: { what: `${name}, settings of its paper`, method } },
    criteria: [
      main(higher(`${name} is at least 0.3 points above cross-entropy`, 'accuracy', slug, 'ce', 0.3)),
      main(higher(`${name} is not below KD`, 'accuracy', slug, 'kd')),
    ],
    differs: ['nothing was tuned: neither the method’s settings nor those of KD'],
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
