import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allVectors } from '../methods/vectors.ts';
import { checkVectors, vectorFiles } from './vectors.ts';

const folder = mkdtempSync(join(tmpdir(), 'decant-vectors-'));
const kdCore = JSON.parse(readFileSync('tests/vectors/kd-core.json', 'utf8'));
const pick = (name: string) => kdCore.cases.find((c: { name: string }) => c.name === name);
const write = (name: string, cases: unknown[]): string => {
  writeFileSync(join(folder, name), JSON.stringify({ ...kdCore, cases }));
  return name;
};

describe('decant vectors', () => {
  it('counts passed, failed and unknown cases', async () => {
    const wrong = { ...pick('tv_distance'), outputs: { ...pick('tv_distance').outputs, loss: 0.6 } };
    const unknown = { ...pick('dkd'), function: 'something else' };
    write('mixed.json', [pick('dkd'), wrong, unknown, pick('sequence_kd_beam')]);
    const lines: string[] = [];
    const count = await checkVectors(vectorFiles('mixed.json', folder), allVectors, (r) =>
      lines.push(`${r.status} ${r.name}`),
    );
    expect(count).toEqual({ passed: 2, failed: 1, unknown: 1 });
    expect(lines).toEqual(['passed dkd', 'failed tv_distance', 'unknown dkd', 'passed sequence_kd_beam']);
  });
  it('takes folders, and says what is wrong with other files', () => {
    expect(vectorFiles('.', folder).map((f) => f.path)).toEqual(['mixed.json']);
    writeFileSync(join(folder, 'broken.txt'), '{');
    expect(() => vectorFiles('broken.txt', folder)).toThrow(/broken\.txt: not JSON/);
    writeFileSync(join(folder, 'other.txt'), '{"a": 1}');
    expect(() => vectorFiles('other.txt', folder)).toThrow(/not a file of golden vectors/);
    expect(() => vectorFiles('absent.json', folder)).toThrow(/no such file/);
  });
  it('passes over what else lies in a folder, and refuses a folder without cases', () => {
    const mixed = mkdtempSync(join(tmpdir(), 'decant-vectors-'));
    writeFileSync(join(mixed, 'index.json'), '{"files": ["one.json"]}');
    expect(() => vectorFiles('.', mixed)).toThrow(/no golden vectors/);
    writeFileSync(join(mixed, 'one.json'), JSON.stringify({ ...kdCore, cases: [pick('dkd')] }));
    expect(vectorFiles('.', mixed).map((f) => f.path)).toEqual(['one.json']);
  });
});
