import { checkMethod } from '../testing/check-method.ts';
import { dist } from './dist.ts';

checkMethod(dist);
