import { checkMethod } from '../testing/check-method.ts';
import { nkd } from './nkd.ts';

checkMethod(nkd);
