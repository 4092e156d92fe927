import { checkFamilies } from './check-families.ts';
import { ELEMENTARY } from './families.ts';

checkFamilies(ELEMENTARY);
