import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { IMPORTERS } from '../../src/graph/onnx/import/tables.ts';

it('docs/onnx.md lists the operators that can be read', () => {
  const text = readFileSync(new URL('../../docs/onnx.md', import.meta.url), 'utf8');
  const [, list] = /<!-- operators -->\s*([^<]*?)\s*<!-- \/operators -->/.exec(text)!;
  expect(list.split(/,\s+/)).toEqual(Object.keys(IMPORTERS).sort());
});
