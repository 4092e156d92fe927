// Writes the tables of docs/models.md: npx tsx scripts/models-doc.ts
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { modelsTable } from '../src/nn/testing/models-table.ts';

const file = fileURLToPath(new URL('../docs/models.md', import.meta.url));
const [before] = readFileSync(file, 'utf8').split('## Architectures of recipes');
writeFileSync(file, before + modelsTable());
execFileSync('npx', ['biome', 'format', '--write', file], { stdio: 'inherit' });
