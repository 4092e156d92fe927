import { checkMethod } from '../testing/check-method.ts';
import { boot } from './boot.ts';
import { bootVectors } from './boot.vectors.ts';

checkMethod(boot, { vectors: bootVectors });
