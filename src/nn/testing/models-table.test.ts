import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { modelsTable } from './models-table.ts';

it('docs/models.md is current (npx tsx scripts/models-doc.ts writes its tables)', () => {
  const text = readFileSync(new URL('../../../docs/models.md', import.meta.url), 'utf8');
  // the formatter pads the columns with spaces and dashes, and escapes
  const plain = (t: string): string => t.replace(/\\/g, '').replace(/[ -]+/g, ' ').trim();
  expect(plain(text.slice(text.indexOf('## Architectures of recipes')))).toBe(plain(modelsTable()));
});
