import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createTokenizer } from '../data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../data/tokenizer/train.ts';
import { exportDecoder } from '../export/decoder.ts';
import { exportStudent } from '../export/student.ts';
import { run } from '../index.ts';
import { init } from '../nn/model.ts';
import { bertClassifier } from '../nn/models/bert.ts';
import { gpt2 } from '../nn/models/gpt2.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { createProgress } from './progress.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-reduced-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const words = ['card', 'pin', 'lost', 'send', 'money', 'zebra', 'quartz', 'violin'];
const rows = Array.from({ length: 40 }, (_, i) => ({
  text: `${words[i % 4]} ${words[(i * 3) % 5]} ${i}`,
  label: ['a', 'b'][i % 2],
}));
const data = join(dir, 'rows.jsonl');
writeFileSync(data, rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
const corpus = [...words, ...rows.map((r) => r.text)].flatMap((t) => [t, t]);

const bert = join(dir, 'bert');
const wordpiece = trainTokenizer('wordpiece', corpus, { vocabSize: 200 });
const size = createTokenizer(wordpiece.tokenizer, wordpiece.tokenizerConfig).size;
const encoder = bertClassifier(
  {
    vocab_size: size,
    hidden_size: 16,
    num_hidden_layers: 4,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: 32,
  },
  2,
);
await exportStudent(diskFolder(bert), {
  model: encoder,
  params: init(encoder, 'bert'),
  labels: ['a', 'b'],
  formats: [],
  ...wordpiece,
} as never);

const gpt = join(dir, 'gpt');
const bpe = trainTokenizer('bpe', corpus, { vocabSize: 280 });
const decoder = gpt2({
  vocab_size: createTokenizer(bpe.tokenizer, bpe.tokenizerConfig).size,
  n_positions: 32,
  n_embd: 16,
  n_layer: 3,
  n_head: 2,
});
await exportDecoder(diskFolder(gpt), {
  model: decoder,
  params: init(decoder as never, 'gpt'),
  formats: [],
  ...bpe,
});

const train = { steps: 2, batchSize: 8, optimizer: { lr: 1e-3 } };
const shared = {
  version: 1,
  method: 'kd',
  train: { ...train, threads: 1 },
  evaluate: {
    bootstrap: 100,
    baselines: { withoutTeacher: false, linear: false },
    latency: { repeats: 1, batches: [1] },
  },
  export: { formats: ['fp32', 'int8'] },
};
const classified = {
  ...shared,
  task: 'classify',
  data: { train: data, test: 0.3, validation: 0, duplicates: { leaks: 'off' } },
  teacher: { kind: 'trained', architecture: 'bag', options: { width: 8, buckets: 64 }, train },
};
const written = {
  ...shared,
  task: 'generate',
  data: { train: data, columns: { text: 'text' }, test: 0.3, validation: 0, duplicates: { leaks: 'off' } },
  teacher: { kind: 'folder', path: gpt },
};

let count = 0;
const go = (recipe: object, student: object) =>
  run({ ...recipe, student } as never, {
    out: join(dir, `run-${count++}`),
    progress: createProgress({ mode: 'silent' }),
  });
const configOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));

it('classify: every other layer of a folder, and only the tokens of the rows', async () => {
  const { model } = await go(classified, { from: bert, layers: { every: 2 }, trimVocabulary: true });
  const config = configOf(model.folder);
  expect(config.num_hidden_layers).toBe(2);
  expect(config.vocab_size).toBeLessThan(size);
  const files = ['tokenizer.json', 'tokenizer_config.json'].map((name) =>
    JSON.parse(readFileSync(join(model.folder, name), 'utf8')),
  );
  const tokenizer = createTokenizer(files[0], files[1]);
  expect(tokenizer.size).toBe(config.vocab_size);
  expect(tokenizer.vocabulary()).not.toContain('zebra');
  const ids = tokenizer.encode('card pin', { addSpecial: false });
  expect(ids.map((id) => tokenizer.vocabulary()[id])).toEqual(['card', 'pin']);
}, 120_000);

it('generate: chosen layers of the teacher’s folder', async () => {
  const { model } = await go(written, { from: gpt, layers: [0, 2] });
  expect(configOf(model.folder).n_layer).toBe(2);
}, 120_000);

it.each([
  [classified, { architecture: 'bag', layers: [0] }, /need from/],
  [classified, { from: bert, layers: [7] }, /no such layer.*0 to 3/],
  [written, { from: gpt, trimVocabulary: true }, /student.trimVocabulary.*share/],
])(
  'says what cannot be taken',
  async (recipe, student, message) => {
    await expect(go(recipe, student)).rejects.toThrow(message);
  },
  120_000,
);
