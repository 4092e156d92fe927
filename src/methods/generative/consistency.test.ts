import { checkMethod } from '../testing/check-method.ts';
import { consistency } from './consistency.ts';

checkMethod(consistency, { recipe: null });
