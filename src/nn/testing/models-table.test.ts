import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { modelsTable } from './models-table.ts';

it('docs/models.md is current (npx tsx scripts/models-doc.ts writes its tables)', () => {
  const text = readFileSync(new URL('../../../docs/models.md', import.meta.url), 'utf8');
  expect(text.slice(text.indexOf('## Architectures of recipes'))).toBe(modelsTable());
});
