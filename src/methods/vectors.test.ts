import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runOrt } from '../engine/testing/run-ort.ts';
import { runVectorFile, type VectorFile } from '../losses/vectors/index.ts';
import { allVectors } from './vectors.ts';

const FOLDER = 'tests/vectors';

describe('golden vectors', () => {
  const files = readdirSync(FOLDER).filter((f) => f.endsWith('.json'));

  it('are there', () => {
    expect(files).toEqual(expect.arrayContaining(['kd-core.json', 'alignment-insights.json']));
  });

  for (const name of files) {
    it(`${name}: values and gradients on both engines`, async () => {
      const file = JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as VectorFile;
      expect(file.method).toBe(basename(name, '.json'));
      const results = await runVectorFile(file, allVectors, (g, x) => runOrt(g, x));
      expect(results.length).toBe(file.cases.length);
      expect(results.filter((r) => r.status !== 'passed')).toEqual([]);
    }, 120_000);
  }

  it('kd-core functions on other shapes and switches, derived with PyTorch', async () => {
    const file = JSON.parse(readFileSync('src/losses/fixtures/kd-core-torch.json', 'utf8')) as VectorFile;
    expect(file.cases.length).toBe(16);
    const results = await runVectorFile(file, allVectors, (g, x) => runOrt(g, x));
    expect(results.filter((r) => r.status !== 'passed')).toEqual([]);
  }, 120_000);

  it('are all listed: every *.vectors.ts file under src', async () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((f) =>
      f.endsWith('.vectors.ts'),
    );
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) {
      const exported = (await import(`../${file}`)) as Record<string, unknown>;
      for (const list of Object.values(exported).filter(Array.isArray))
        expect(
          list.filter((v) => !allVectors.includes(v)),
          file,
        ).toEqual([]);
    }
  });

  it('name each function once', () => {
    const keys = allVectors.map((v) => `${v.method}: ${v.function}`);
    expect(keys.filter((k, i) => keys.indexOf(k) !== i)).toEqual([]);
  });
});
