import { stepVectors } from '../data/steps/steps.vectors.ts';
import { beamVectors } from '../generate/beam.vectors.ts';
import { samplerVectors } from '../generate/diffusion/diffusion.vectors.ts';
import { lossVectors, type Vector } from '../losses/vectors/index.ts';
import { symbolicKdVectors } from './data/symbolic-kd.vectors.ts';
import { lelpVectors } from './features/lelp.vectors.ts';
import { bootVectors } from './generative/boot.vectors.ts';
import { ffG2mVectors } from './graph/ff-g2m.vectors.ts';
import { taidVectors } from './language/taid.vectors.ts';
import { dhkdVectors } from './logits/dhkd.vectors.ts';
import { pldVectors } from './logits/pld.vectors.ts';
import { adpoVectors } from './preference/adpo.vectors.ts';
import { marginMseVectors } from './ranking/margin-mse.vectors.ts';

/** Golden-vector functions of the whole project: lists that stand beside what they call. A new list is added here. */
export const allVectors: readonly Vector[] = [
  ...lossVectors,
  ...beamVectors,
  ...stepVectors,
  ...samplerVectors,
  ...marginMseVectors,
  ...bootVectors,
  ...pldVectors,
  ...dhkdVectors,
  ...taidVectors,
  ...lelpVectors,
  ...symbolicKdVectors,
  ...ffG2mVectors,
  ...adpoVectors,
];
