import { checkMethod } from '../testing/check-method.ts';
import { dhkd } from './dhkd.ts';
import { dhkdVectors } from './dhkd.vectors.ts';

checkMethod(dhkd, { vectors: dhkdVectors });
