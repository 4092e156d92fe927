import { checkMethod } from '../testing/check-method.ts';
import { denoising } from './denoising.ts';

checkMethod(denoising, { recipe: null });
