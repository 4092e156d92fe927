import { checkMethod } from '../testing/check-method.ts';
import { kd, supervised } from './kd.ts';

checkMethod(kd, { recipe: 'recipes/quickstart.yaml' });
checkMethod(supervised, { recipe: null });
