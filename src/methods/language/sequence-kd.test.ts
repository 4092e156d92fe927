import { checkMethod } from '../testing/check-method.ts';
import { sequenceKd } from './sequence-kd.ts';

checkMethod(sequenceKd);
