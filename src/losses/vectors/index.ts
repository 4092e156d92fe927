import { classificationVectors } from '../classification.vectors.ts';
import { contrastiveVectors } from '../contrastive.vectors.ts';
import { diffusionVectors } from '../diffusion/diffusion.vectors.ts';
import { divergenceVectors } from '../divergences.vectors.ts';
import { featureVectors } from '../features.vectors.ts';
import { miniLmVectors } from '../minilm.vectors.ts';
import { policyVectors } from '../policy.vectors.ts';
import { preferenceVectors } from '../preference.vectors.ts';
import { relationVectors } from '../relations.vectors.ts';
import { sparseVectors } from '../sparse.vectors.ts';
import { uldVectors } from '../uld.vectors.ts';
import type { Vector } from './types.ts';

export { type Comparison, compare, type Mismatch } from './compare.ts';
export { type CaseReader, caseReader } from './reader.ts';
export * from './runner.ts';
export * from './types.ts';

/** Golden-vector functions of the loss families. Each list stands beside its family; methods add their own. */
export const lossVectors: readonly Vector[] = [
  ...classificationVectors,
  ...contrastiveVectors,
  ...diffusionVectors,
  ...divergenceVectors,
  ...featureVectors,
  ...miniLmVectors,
  ...policyVectors,
  ...preferenceVectors,
  ...relationVectors,
  ...sparseVectors,
  ...uldVectors,
];
