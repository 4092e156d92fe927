import { checkMethod } from '../testing/check-method.ts';
import { dpo } from './dpo.ts';

checkMethod(dpo);
