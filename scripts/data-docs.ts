// Writes the generated parts of docs/data.md, docs/data-steps.md, docs/recipe.md and docs/cli.md: npx tsx scripts/data-docs.ts
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fillDocs } from '../src/cli/docs.ts';

for (const name of ['data', 'data-steps', 'recipe', 'cli']) {
  const file = fileURLToPath(new URL(`../docs/${name}.md`, import.meta.url));
  writeFileSync(file, await fillDocs(readFileSync(file, 'utf8')));
  execFileSync('npx', ['biome', 'format', '--write', file], { stdio: 'inherit' });
}
