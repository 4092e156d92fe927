import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { faqSearch } from '../../data/generators/faq-search.ts';
import { run } from '../../index.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-rankers-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const set = faqSearch({ train: 40, test: 12, queries: 10, seed: 5 });
const file = (name: string, rows: readonly Record<string, unknown>[]): string => {
  const path = join(dir, name);
  writeFileSync(path, `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`);
  return path;
};
const small = { layers: 1, hidden: 16, heads: 2 };

it.each([
  ['dual-encoder', { ...small, pooling: 'cls', normalize: false }],
  ['colbert', { ...small, dim: 8 }],
  ['prett', { ...small, layers: 2 }],
  ['prett', { ...small, layers: 2, compression: 4 }],
  ['kernel-pooling', { hidden: 8 }],
  ['kernel-pooling', { hidden: 8, layers: 1, heads: 2 }],
])(
  'distils into %s %o, measures and exports it',
  async (architecture, options) => {
    const { report, model } = await run(
      {
        version: 1,
        task: 'rank',
        data: {
          train: file('train.jsonl', set.splits.train()),
          test: file('test.jsonl', set.splits.test()),
          unlabeled: file('documents.jsonl', set.splits.documents().slice(0, 150)),
          validation: 0.1,
          ranking: { lists: 2, depth: 20, negatives: 3 },
        },
        teacher: {
          kind: 'trained',
          architecture: 'dual-bag',
          options: { width: 16 },
          ensemble: 2,
          train: { steps: 12, batchSize: 16, optimizer: { lr: 0.01 } },
        },
        student: { architecture, options },
        method: { name: 'margin-mse', options: { pairs: 'all' } },
        train: { steps: 6, batchSize: 16, threads: 1 },
        evaluate: { bootstrap: 100, latency: { repeats: 2 } },
      },
      { out: join(dir, `${architecture}-${Object.values(options).join('-')}`) },
    );
    for (const arm of report.arms) {
      expect(arm.values.ndcg.mean).toBeGreaterThanOrEqual(0);
      expect(arm.values.ndcg.mean).toBeLessThanOrEqual(1);
    }
    expect(report.arms.map((a) => a.role)).toEqual(['teacher', 'distilled', 'alone', 'linear']);
    expect(model.parity[0].maxDifference).toBeLessThan(1e-4);
  },
  300_000,
);
