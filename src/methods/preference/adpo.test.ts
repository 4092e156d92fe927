import { checkMethod } from '../testing/check-method.ts';
import { adpo } from './adpo.ts';
import { adpoVectors } from './adpo.vectors.ts';

checkMethod(adpo, { vectors: adpoVectors });
