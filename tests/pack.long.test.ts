import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'decant-pack-'));
const app = join(work, 'app');
const packed = (): string => join(app, 'node_modules', 'decant');
afterAll(() => rmSync(work, { recursive: true, force: true }));

const sh = (command: string, args: string[], cwd = app): string => {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const e = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${e.stdout}\n${e.stderr}`);
  }
};

const RECIPE = `version: 1
name: packed
task: classify
data:
  train: builtin:support-requests#train
  validation: builtin:support-requests#validation
  test: builtin:support-requests#test
  unlabeled: builtin:support-requests#unlabeled
  teacher: builtin:support-requests#history
  options: { train: 80, validation: 20, test: 60, unlabeled: 100, history: 200 }
teacher: { kind: trained, architecture: bag, options: { width: 16, buckets: 256 }, train: { epochs: 2 } }
student: { architecture: bag, options: { width: 8, buckets: 64 } }
method: kd
train: { epochs: 1 }
evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] } }
`;

const CHECK = `import { type Prediction, createNodeEngine, graph as g, losses, openPredictor, optim, plan, predict, run, trainStep } from 'decant';
import { createReferenceEngine } from 'decant/browser';
import * as graph from 'decant/graph';
import * as lossesAlone from 'decant/losses';

export async function use(): Promise<Prediction[]> {
  const { report, model } = await run('recipe.yaml', { out: 'runs/first', set: ['seeds=[1,2,3]'] });
  const sentence: string = report.headline.sentence;
  // @ts-expect-error the report has no such member
  report.headlines;
  const planned: number = (await plan('recipe.yaml')).steps;
  const engine = createNodeEngine();
  const loss = (p: { w: g.Tensor }, b: { x: g.Tensor; y: g.Tensor }) =>
    g.mean(g.square(g.sub(g.matmul(b.x, p.w), b.y)));
  const step = trainStep(loss, optim.adamW(), { engine, params: { w: g.zeros([3, 1]) }, lr: 0.01 });
  console.log(sentence, planned, step, losses, createReferenceEngine, graph.matmul, lossesAlone);
  const predictor = await openPredictor(model.folder);
  await predictor.close();
  return predict(model.folder, ['where is my parcel?'], { topK: 3 });
}
`;

beforeAll(() => {
  mkdirSync(app);
  sh(process.execPath, ['scripts/build.js'], root);
  const [{ filename }] = JSON.parse(
    sh('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], root),
  ) as { filename: string }[];
  writeFileSync(join(app, 'package.json'), '{"name": "app", "private": true, "type": "module"}\n');
  writeFileSync(join(app, '.npmrc'), 'onnxruntime-node-install=skip\nfund=false\naudit=false\n');
  writeFileSync(join(app, 'recipe.yaml'), RECIPE);
  sh('npm', ['install', '--ignore-scripts', join(work, filename)]);
}, 900_000);

describe('the package as npm packs it', () => {
  it('holds what it needs and nothing of the tests', () => {
    for (const file of [
      'dist/index.js',
      'dist/browser.d.ts',
      'recipes/quickstart.yaml',
      'README.md',
      'LICENSE',
    ])
      expect(existsSync(join(packed(), file)), file).toBe(true);
    const files = sh('find', [join(packed(), 'dist'), '-name', '*.test.*']);
    expect(files.trim()).toBe('');
    expect(existsSync(join(packed(), 'src'))).toBe(false);
  });

  it('type-checks in a strict TypeScript program', () => {
    writeFileSync(join(app, 'check.ts'), CHECK);
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    const flags = '--noEmit --strict --skipLibCheck --target es2022 --module nodenext --lib es2023,dom';
    sh(process.execPath, [tsc, ...flags.split(' '), 'check.ts']);
  });

  it('runs a recipe as a library', () => {
    writeFileSync(
      join(app, 'lib.js'),
      `import { plan, predict, run } from 'decant';
const planned = await plan('recipe.yaml');
const { report, model } = await run('recipe.yaml', { out: 'runs/lib' });
const [answer] = await predict(model.folder, ['where is my parcel?'], { topK: 3 });
console.log(JSON.stringify({ steps: planned.steps, arms: report.arms.length, answer }));
`,
    );
    const out = JSON.parse(sh(process.execPath, ['lib.js']).trim().split('\n').at(-1)!);
    expect(out.arms).toBe(4);
    expect(out.answer.top).toHaveLength(3);
    expect(out.steps).toBeGreaterThan(0);
    expect(readFileSync(join(app, 'runs/lib/report.html'), 'utf8')).toContain('<html');
  });

  it('runs from the command line', () => {
    const { version } = JSON.parse(readFileSync(join(packed(), 'package.json'), 'utf8'));
    expect(sh('npx', ['--no-install', 'decant', '--version']).trim()).toBe(version);
    const out = JSON.parse(
      sh('npx', ['--no-install', 'decant', 'run', 'recipe.yaml', '-o', 'runs/cli', '--json']),
    );
    expect(out.arms).toHaveLength(4);
    const said = sh('npx', ['--no-install', 'decant', 'predict', 'runs/cli', 'where is my parcel?']);
    expect(JSON.parse(said).score).toBeGreaterThan(0);
  });

  it.each(['decant/browser', 'decant'])(
    'bundles %s for a browser without anything of Node',
    async (entry) => {
      const { build } = await import('esbuild');
      writeFileSync(join(app, 'page.js'), `export * from '${entry}';\n`);
      const { metafile, errors } = await build({
        entryPoints: [join(app, 'page.js')],
        bundle: true,
        platform: 'browser',
        format: 'esm',
        write: false,
        metafile: true,
        logLevel: 'silent',
        absWorkingDir: app,
      });
      expect(errors).toEqual([]);
      const inputs = Object.entries(metafile.inputs);
      expect(inputs.length).toBeGreaterThan(20);
      expect(
        inputs.map(([path]) => path).filter((p) => /onnxruntime-node|engine\/node|util\/node/.test(p)),
      ).toEqual([]);
      const outside = inputs.flatMap(([, i]) => i.imports.filter((x) => x.external).map((x) => x.path));
      expect(outside).toEqual([]);
    },
  );
});
