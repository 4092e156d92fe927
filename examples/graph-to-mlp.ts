/**
 * A graph network distilled into an MLP, from tables to an answer about a product that nobody has bought yet.
 *
 *     npx tsx examples/graph-to-mlp.ts [FOLDER]
 *
 * Writes FOLDER/shop/nodes.csv and edges.csv (generated; put your own there), trains a GraphSAGE teacher and an MLP with
 * FF-G2M, and asks the MLP, which sees no edges.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { coPurchases } from '../src/data/generators/co-purchases.ts';
import { openPredictor, run } from '../src/index.ts';

const folder = process.argv[2] ?? 'runs/graph-to-mlp';
const shop = coPurchases({ nodes: 800, classes: 4, validation: 120, test: 400, seed: 7 });
mkdirSync(join(folder, 'shop'), { recursive: true });
for (const [table, rows] of Object.entries(shop.splits)) {
  const lines = [Object.keys(rows()[0]), ...rows().map((row) => Object.values(row))];
  writeFileSync(join(folder, 'shop', `${table}.csv`), `${lines.map((l) => l.join(',')).join('\n')}\n`);
}

const train = {
  epochs: 100,
  optimizer: { lr: 0.01, weightDecay: 0.05 },
  schedule: { name: 'constant', warmup: 0 },
  evalEvery: 10,
};
const { out } = await run(
  {
    version: 1,
    task: 'node-classify',
    data: { train: './shop', graph: { inductive: 0.5 } },
    teacher: {
      kind: 'trained',
      architecture: 'sage',
      options: { hidden: 32, featureDropout: 0 },
      train: { ...train, keep: 'best' },
    },
    student: { architecture: 'mlp', options: { hidden: [32], dropout: 0.5 } },
    method: 'ff-g2m',
    train,
  },
  { out: join(folder, 'run'), baseDir: folder },
);

const student = await openPredictor(join(out, 'model'));
const [product] = shop.splits.nodes();
const features = Float32Array.from(student.featureNames!, (name) => Number(product[name]));
const [answer] = await student.predict([{ file: 'new product', line: 1, features }], { topK: 2 });
console.log(
  `likely departments of a new product: ${answer.top.map((t) => `${t.label} ${t.score.toFixed(2)}`).join(', ')}`,
);
await student.close();
