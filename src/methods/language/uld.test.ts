import { checkMethod } from '../testing/check-method.ts';
import { uld } from './uld.ts';

checkMethod(uld);
