// Writes docs/operators.md: npx tsx scripts/operators-doc.ts
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { operatorsTable } from '../src/graph/testing/operators-table.ts';

const file = fileURLToPath(new URL('../docs/operators.md', import.meta.url));
writeFileSync(file, await operatorsTable());
execFileSync('npx', ['biome', 'format', '--write', file], { stdio: 'inherit' });
