import { beamVectors } from '../generate/beam.vectors.ts';
import { lossVectors, type Vector } from '../losses/vectors/index.ts';
import { subclassVectors } from './features/subclass.vectors.ts';
import { taidVectors } from './language/taid.vectors.ts';
import { pldVectors } from './logits/pld.vectors.ts';

/** Golden-vector functions of the whole project: lists that stand beside what they call. A new list is added here. */
export const allVectors: readonly Vector[] = [
  ...lossVectors,
  ...beamVectors,
  ...pldVectors,
  ...taidVectors,
  ...subclassVectors,
];
