import { checkMethod } from '../testing/check-method.ts';
import { dkd } from './dkd.ts';

checkMethod(dkd);
