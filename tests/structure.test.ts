import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((f) => f !== '');

/** Folders of src/ from the bottom up: a file may import from its own layer and from those before it. */
const LAYERS = [
  'util',
  'graph',
  'engine',
  'optim',
  'nn',
  'losses',
  'export',
  'evaluate',
  'generate',
  'data',
  'teachers',
  'train',
  'methods',
  'recipe',
  'run',
  'studio',
  'cli',
];

const sources = tracked.filter(
  (f) => /^src\/.*\.[tj]s$/.test(f) && !/\.test\.ts$|\/testing\/|\.d\.ts$/.test(f),
);
const layerOf = (file: string): string | undefined => /^src\/([^/]+)\//.exec(file)?.[1];

const importsOf = (file: string): string[] => {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((m) => m[1]);
};

/** What is loaded at once with a file: its static imports and theirs, packages by their names. Types leave nothing behind. */
function loadedWith(entry: string): string[] {
  const seen = new Set([entry]);
  for (const file of seen) {
    if (!file.startsWith('src/')) continue;
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, target] of text.matchAll(/^(?:import|export) (?!type )(?:[^'";]*? from )?'([^']+)'/gm))
      seen.add(target.startsWith('.') ? normalize(join(dirname(file), target)) : target);
  }
  return [...seen].filter((f) => !f.startsWith('node:'));
}

const packagesOf = (files: readonly string[]): string[] => files.filter((f) => !f.startsWith('src/')).sort();

describe('structure', () => {
  it('has only known layers under src/', () => {
    const folders = new Set(sources.map(layerOf).filter((l) => l !== undefined));
    expect([...folders].filter((f) => !LAYERS.includes(f))).toEqual([]);
  });

  it('imports only downwards', () => {
    const wrong: string[] = [];
    for (const file of sources) {
      const from = layerOf(file);
      if (from === undefined) continue; // entry points see everything
      for (const target of importsOf(file)) {
        if (!target.startsWith('.')) continue;
        const to = layerOf(normalize(join(dirname(file), target)));
        if (to === undefined || LAYERS.indexOf(to) > LAYERS.indexOf(from))
          wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('keeps Node out of what the browser loads', () => {
    const browser = sources.filter(
      (f) =>
        /^src\/(graph|optim|nn|losses)\//.test(f) ||
        /^src\/engine\/(web|reference)\//.test(f) ||
        f === 'src/browser.ts',
    );
    const wrong = browser.flatMap((f) =>
      importsOf(f)
        .filter((t) => t.startsWith('node:') || t === 'onnxruntime-node')
        .map((t) => `${f}: ${t}`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps every source file readable in one sitting (400 lines)', () => {
    const long = sources
      .map((f) => [f, readFileSync(join(root, f), 'utf8').split('\n').length] as const)
      .filter(([, n]) => n > 401);
    expect(long).toEqual([]);
  });

  it('has no default exports in src/', () => {
    const wrong = sources.filter((f) => /^export default /m.test(readFileSync(join(root, f), 'utf8')));
    expect(wrong).toEqual([]);
  });

  it('starts the command line with little, and plans without engine, ONNX files and training loop', () => {
    expect(packagesOf(loadedWith('src/cli/program.ts'))).toEqual(['commander', 'picocolors']);
    const plan = [...loadedWith('src/cli/plan.ts'), ...loadedWith('src/methods/index.ts')];
    expect(packagesOf([...new Set(plan)])).toEqual(['yaml', 'zod']);
    const heavy = /^src\/(engine|optim|graph\/onnx|train\/loop|train\/step-graph|teachers\/(api|store))\b/;
    expect(plan.filter((f) => heavy.test(f))).toEqual([]);
  });
});
