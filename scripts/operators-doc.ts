// Writes docs/operators.md: npx tsx scripts/operators-doc.ts
import { writeFileSync } from 'node:fs';
import { operatorsTable } from '../src/graph/testing/operators-table.ts';

writeFileSync(new URL('../docs/operators.md', import.meta.url), await operatorsTable());
