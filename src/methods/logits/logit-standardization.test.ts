import { checkMethod } from '../testing/check-method.ts';
import { logitStandardization } from './logit-standardization.ts';

checkMethod(logitStandardization);
