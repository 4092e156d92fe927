import { checkMethod } from '../testing/check-method.ts';
import { progressive } from './progressive.ts';

checkMethod(progressive, { recipe: null });
