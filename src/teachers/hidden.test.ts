import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../data/types.ts';
import { createNodeEngine } from '../engine/node/engine.ts';
import { exportStudent } from '../export/student.ts';
import { type NDArray, toNumbers } from '../graph/index.ts';
import { withSubclasses } from '../nn/auto.ts';
import { init } from '../nn/model.ts';
import { mlp } from '../nn/models/mlp.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { createRng } from '../util/rng.ts';
import { folderTeacher, onnxTeacher } from './local.ts';
import { openSignalStore } from './store/index.ts';
import { storedHidden, type Teacher } from './teacher.ts';

const rng = createRng('hidden');
const examples: Example[] = Array.from({ length: 5 }, (_, i) => ({
  file: 'made',
  line: i + 1,
  features: Float32Array.from({ length: 4 }, () => rng.normal()),
}));
const model = mlp({ inputs: 4, hidden: [6], outputs: 3 });
const engine = createNodeEngine({ threads: 1 });
const folder = mkdtempSync(join(tmpdir(), 'decant-hidden-'));
const options = { engine, batchSize: 2, classes: ['a', 'b', 'c'] };
const teachers: Record<string, Teacher> = {};

beforeAll(async () => {
  await exportStudent(diskFolder(folder), {
    model,
    params: init(model, 3),
    formats: ['fp32', 'int8'],
    labels: options.classes,
  });
  teachers.folder = await folderTeacher(folder, options);
  teachers.onnx = await onnxTeacher(join(folder, 'onnx/model.onnx'), options);
});

afterAll(async () => {
  for (const t of Object.values(teachers)) await t.close();
  await engine.close();
  rmSync(folder, { recursive: true });
});

const near = (a: NDArray, b: NDArray): number =>
  Math.max(...[...toNumbers(a)].map((x, i) => Math.abs(x - toNumbers(b)[i])));

describe('hidden activations of local teachers', () => {
  it('a folder and its ONNX file show the same embedding and output layer', async () => {
    const [own, onnx] = await Promise.all(
      ['folder', 'onnx'].map(async (kind) => {
        const t = teachers[kind];
        expect(t.signals).toContain('hidden');
        const { embedding } = await t.hidden!(examples, ['embedding']);
        return { embedding, ...(await t.outputLayer!()) };
      }),
    );
    expect(own.embedding.shape).toEqual([5, 6]);
    expect(own.weights.shape).toEqual([3, 6]);
    for (const name of ['embedding', 'weights', 'bias'] as const)
      expect(near(own[name]!, onnx[name]!), name).toBeLessThan(1e-5);
  });

  it('any activation of a folder by its path', async () => {
    const { 'hidden.0': tapped, embedding } = await teachers.folder.hidden!(examples, [
      'hidden.0',
      'embedding',
    ]);
    expect(near(tapped, embedding)).toBe(0);
    await expect(teachers.folder.hidden!(examples, ['nowhere'])).rejects.toThrow(/no output or activation/);
    await expect(teachers.onnx.hidden!(examples, ['hidden.0'])).rejects.toThrow(/its embedding only/);
  });

  it('a student with subclasses has class scores, and no embedding that they are linear in', async () => {
    const wide = withSubclasses(model, 2);
    const at = join(folder, 'wide');
    mkdirSync(at);
    await exportStudent(diskFolder(at), {
      model: wide,
      params: init(wide, 3),
      formats: ['fp32'],
      labels: options.classes,
    });
    const onnx = await onnxTeacher(join(at, 'onnx/model.onnx'), options);
    const own = await folderTeacher(at, options);
    expect(onnx.signals).not.toContain('hidden');
    await expect(own.hidden!(examples, ['embedding'])).rejects.toThrow(/linear layer/);
    const [a, b] = [await onnx.logits!(examples), await own.logits!(examples)];
    expect(a.shape).toEqual([5, 3]);
    expect(near(a, b)).toBeLessThan(1e-5);
    await onnx.close();
    await own.close();
  });

  it('are asked for once and stored', async () => {
    const store = openSignalStore(join(folder, 'signals'), { write: true });
    const shelf = store.shelf({
      teacher: teachers.folder.id,
      signal: 'hidden',
      settings: { paths: ['embedding'] },
    });
    const twice = [...examples, examples[0]];
    const ask = () => storedHidden(teachers.folder, shelf, twice, ['embedding'], { batchSize: 2 });
    const first = await ask();
    const again = await ask();
    store.close();
    expect([first.asked, again.asked]).toEqual([5, 0]);
    expect(first.hidden.embedding.shape).toEqual([6, 6]);
    expect(near(first.hidden.embedding, again.hidden.embedding)).toBe(0);
    const { embedding } = await teachers.folder.hidden!(twice, ['embedding']);
    expect(near(first.hidden.embedding, embedding)).toBeLessThan(1e-6);
  });
});
