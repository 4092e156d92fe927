import { checkFamilies } from './check-families.ts';
import { LAYERS } from './families.ts';

checkFamilies(LAYERS);
