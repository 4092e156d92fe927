import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSafetensors } from '../export/safetensors.ts';
import type { NDArray } from '../graph/index.ts';
import { run } from '../index.ts';
import { init } from '../nn/model.ts';
import { createRng } from '../util/rng.ts';
import { exportAgain } from './export-again.ts';
import { createProgress } from './progress.ts';
import { rankerFromConfig } from './rank/build.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-adapters-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const rng = createRng('adapters');
const text = (): string =>
  Array.from({ length: 4 }, () => rng.pick(['card', 'pin', 'send', 'lost'])).join(' ');
const file = (name: string, make: () => object): string => {
  const path = join(dir, name);
  writeFileSync(path, Array.from({ length: 40 }, () => `${JSON.stringify(make())}\n`).join(''));
  return path;
};
const pairs = file('pairs.jsonl', () => ({ text: text(), pair: text() }));
const preferences = file('prefer.jsonl', () => ({ prompt: text(), chosen: 'yes', rejected: 'no no' }));

const train = { steps: 3, batchSize: 8, optimizer: { lr: 0.01 } };
const small = { layers: 1, hidden: 16, heads: 2 };
const lora = { rank: 2, alpha: 4 };
const shared = {
  version: 1,
  train: { ...train, threads: 1 },
  evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] } },
  export: { formats: ['fp32'] },
};
const ranked = {
  ...shared,
  task: 'rank',
  data: {
    train: 'builtin:faq-search',
    options: { train: 20, history: 20, queries: 20, test: 10 },
    ranking: { lists: 1, depth: 10 },
  },
  teacher: { kind: 'trained', architecture: 'kernel-pooling', options: { hidden: 8 }, train },
  method: 'margin-mse',
};
const preferred = {
  ...shared,
  task: 'prefer',
  data: { train: preferences, test: 0.3, validation: 0.1, duplicates: { leaks: 'off' } },
  method: 'dpo',
};
const decoder = { architecture: 'gpt2', options: small, tokenizer: { kind: 'char' } };

let count = 0;
const go = (recipe: object) =>
  run(recipe as never, { out: join(dir, `run-${count++}`), progress: createProgress({ mode: 'silent' }) });
const weights = async (path: string): Promise<Map<string, NDArray>> =>
  (await parseSafetensors(readFileSync(path), path)).tensors;
const exported = (folder: string) => weights(join(folder, 'model.safetensors'));

/** Names of the weights in which two files differ. */
const moved = (a: Map<string, NDArray>, b: Map<string, NDArray>): string[] =>
  [...a.keys()].filter((n) => `${a.get(n)!.data}` !== `${b.get(n)?.data}`).sort();

describe('adapters on a frozen base, merged at export', () => {
  it.each([
    ['dual-encoder', { projection: 8 }, ['encoder.layer.0.attention.self.query.weight', 'projection.weight']],
    ['cross-encoder', {}, ['bert.encoder.layer.0.attention.self.query.weight', 'classifier.weight']],
  ])(
    'rank: %s',
    async (architecture, options, expected) => {
      const student = {
        architecture,
        options: { ...small, ...options },
        lora: { ...lora, targets: ['query'] },
      };
      const { model, out } = await go({ ...ranked, student });
      const config = JSON.parse(readFileSync(join(model.folder, 'config.json'), 'utf8'));
      const first = new Map(Object.entries(init(rankerFromConfig(config)!, '1/init')));
      const changed = moved(await exported(model.folder), first).filter((n) => !n.endsWith('.bias'));
      expect(changed).toEqual(expected);
      // the same student from its checkpoint
      const again = await exportAgain(out, {
        formats: ['fp32'],
        keep: 'last',
        lora: student.lora,
        tolerance: 1e-4,
        out: `${out}-again`,
        sample: [{ file: 'x', line: 1, text: 'my card', pair: 'a card' }],
      });
      expect(again.parity[0].maxDifference).toBeLessThan(1e-4);
      expect(moved(await exported(`${out}-again`), await exported(model.folder))).toEqual([]);
      expect(model.parity[0].maxDifference).toBeLessThan(1e-4);
    },
    60_000,
  );

  it('embed: a folder is adapted, and a bag, which has no linear layer, is refused', async () => {
    const recipe = {
      ...shared,
      task: 'embed',
      data: { train: pairs, test: 0.3, validation: 0 },
      teacher: { kind: 'trained', architecture: 'sentence', options: small, train },
      method: 'embedding-kd',
    };
    const base = await go({ ...recipe, student: { architecture: 'sentence', options: small } });
    const student = { from: base.model.folder, lora: { ...lora, targets: ['value'] } };
    const { model } = await go({ ...recipe, student });
    expect(moved(await exported(base.model.folder), await exported(model.folder))).toEqual([
      'encoder.layer.0.attention.self.value.weight',
    ]);
    await expect(
      go({ ...recipe, student: { architecture: 'sentence-bag', options: { width: 16 }, lora } }),
    ).rejects.toThrow('no linear layers to adapt');
  }, 60_000);

  it('prefer: the frozen base is the reference, and a moving one has adapters of its own alone', async () => {
    const student = { ...decoder, lora };
    const sft = { steps: 2, batchSize: 8 };
    const fixed = await go({ ...preferred, student, prefer: { sft } });
    const start = await weights(join(fixed.out, 'checkpoints/sft-1/last.safetensors'));
    const own = new Map([...start].map(([n, a]) => [n.replace('params/', ''), a]));
    const after = await exported(fixed.model.folder);
    expect(moved(after, own)).toEqual([
      'transformer.h.0.attn.c_attn.weight',
      'transformer.h.0.attn.c_proj.weight',
    ]);
    const figure = (arm: string, key: string) =>
      fixed.report.arms.find((a) => a.id === arm)!.values[key].mean;
    expect(figure('reference', 'kl')).toBeCloseTo(0, 6);
    expect(figure('distilled', 'kl')).toBeGreaterThan(0);
    const moving = await go({ ...preferred, student, prefer: { reference: 'moving' } });
    const state = await weights(join(moving.out, 'checkpoints/distilled-1/last.safetensors'));
    const reference = [...state.keys()].filter((n) => n.startsWith('params/@reference.'));
    expect(reference.length).toBe(4);
    expect(reference.every((n) => /lora_[AB]\.weight$/.test(n))).toBe(true);
    // it follows: neither where it began nor where the policy is
    const b = 'transformer.h.0.attn.c_attn.lora_B.weight';
    const size = (name: string): number => Math.max(...(state.get(name)!.data as Float32Array).map(Math.abs));
    expect(size(`params/@reference.${b}`)).toBeGreaterThan(0);
    expect(size(`params/@reference.${b}`)).toBeLessThan(size(`params/${b}`) / 2);
  }, 60_000);

  it('diffuse: on the weights of the teacher, and not on fresh ones', async () => {
    const denoiser = { architecture: 'diffusion-mlp', options: { hidden: 16, blocks: 1, time: 8 } };
    const recipe = {
      ...shared,
      task: 'diffuse',
      data: { train: 'builtin:points', options: { train: 200, test: 60 } },
      teacher: { kind: 'trained', ...denoiser, train },
      method: 'boot',
      diffusion: { steps: 4, few: [1], samples: 50 },
    };
    const adapters = { ...lora, targets: 'all' };
    const { out } = await go({ ...recipe, student: { ...denoiser, lora: adapters } });
    const teacher = await weights(join(out, 'checkpoints/teacher-1000/last.safetensors'));
    const state = await weights(join(out, 'checkpoints/distilled-1/last.safetensors'));
    const frozen = [...teacher.keys()].filter((n) => n.startsWith('params/') && state.has(n));
    expect(frozen.length).toBeGreaterThan(4);
    expect(moved(new Map(frozen.map((n) => [n, teacher.get(n)!])), state)).toEqual([]);
    expect([...state.keys()].some((n) => n.endsWith('lora_B.weight'))).toBe(true);
    const wider = { ...denoiser, options: { ...denoiser.options, hidden: 24 } };
    await expect(go({ ...recipe, student: { ...wider, lora: adapters } })).rejects.toThrow(
      'adapters need weights to start from',
    );
  }, 60_000);
});
