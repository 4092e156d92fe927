import { expect, it } from 'vitest';
import { createReferenceEngine } from '../engine/reference/engine.ts';
import { type NDArray, ndarray, spec, sym, toNumbers } from '../graph/index.ts';
import { createInference } from '../nn/inference.ts';
import { init } from '../nn/model.ts';
import { gpt2 } from '../nn/models/gpt2.ts';
import { llama, llamaDefaults } from '../nn/models/llama.ts';
import { createRng } from '../util/rng.ts';
import { paddedRows, type TokenRow } from './language.ts';
import { packedSource } from './packing.ts';

const rng = createRng('packing');
const LENGTHS = [5, 2, 7, 3, 3, 1];
const rows: TokenRow[] = LENGTHS.map((n, example) => ({
  ids: Array.from({ length: n + 1 }, () => 1 + rng.int(9)),
  learned: Array.from({ length: n + 1 }, (_, i) => (i > 1 ? 1 : 0)),
  example,
}));
const all = paddedRows(rows, { padId: 0, maxLength: 8 });
const every = rows.map((_, i) => i);

it('places every position once and keeps its label and its teacher', async () => {
  // the teacher says at each place: row and position
  const columns = (chosen: readonly number[]): Record<string, NDArray> => {
    const width = all.labels(chosen).shape[1];
    const out = new Float32Array(chosen.length * width * 2);
    chosen.forEach((row, r) => {
      for (let t = 0; t < width; t++) out.set([row, t], (r * width + t) * 2);
    });
    return { 'teacher/logits': ndarray(out, [chosen.length, width, 2]) };
  };
  const source = packedSource(all, 8, columns);
  expect(source.size).toBe(3); // 21 tokens
  const batch = await source.collate([0, 1, 2]);
  const [segments, positions, ids, labels, teacher, mask] = [
    'input/segment_ids',
    'input/position_ids',
    'input/input_ids',
    'labels',
    'teacher/logits',
    'mask/tokens',
  ].map((n) => [...toNumbers(batch[n])]);
  const seen = new Set<string>();
  segments.forEach((s, at) => {
    if (s === 0) {
      expect([labels[at], mask[at]]).toEqual([-100, 0]);
      return;
    }
    const [row, t] = [teacher[2 * at], teacher[2 * at + 1]];
    expect(t).toBe(positions[at]);
    expect(ids[at]).toBe(rows[row].ids[t]);
    expect(labels[at]).toBe(rows[row].learned[t + 1] ? rows[row].ids[t + 1] : -100);
    seen.add(`${row}/${t}`);
  });
  expect(seen.size).toBe(LENGTHS.reduce((a, b) => a + b, 0));
});

const size = { vocab_size: 12, hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2 };
const models = {
  'GPT-2': gpt2({ vocab_size: 12, n_positions: 8, n_embd: 8, n_layer: 2, n_head: 2 }),
  Llama: llama({
    ...llamaDefaults,
    ...size,
    num_key_value_heads: 1,
    intermediate_size: 16,
    max_position_embeddings: 8,
  }),
};
it.each(Object.entries(models))('%s gives a packed row the logits it gets alone', async (_, model) => {
  const engine = createReferenceEngine();
  const types = { segment_ids: spec([sym('batch_size'), sym('sequence_length')], 'int64') };
  const inference = createInference(engine, {
    ...model,
    inputs: { ...model.inputs, ...types },
  } as never);
  await inference.setParams(init(model as never, 1));
  const batch = await packedSource(all, 8).collate([0, 1, 2]);
  const of = (name: string): NDArray => batch[`input/${name}`];
  const packed = await inference.run({
    input_ids: of('input_ids'),
    position_ids: of('position_ids'),
    segment_ids: of('segment_ids'),
  });
  const alone = await inference.run({ ...all.inputs(every) });
  const width = all.labels(every).shape[1];
  const [got, want] = [toNumbers(packed.logits), toNumbers(alone.logits)];
  const [ids, segments] = [toNumbers(of('input_ids')), toNumbers(of('segment_ids'))];
  let compared = 0;
  // rows are found again by their tokens
  for (let at = 0; at < segments.length; at++) {
    const begins = segments[at] > 0 && (at % 8 === 0 || segments[at - 1] !== segments[at]);
    if (!begins) continue;
    let n = 0;
    while (at + n < segments.length && (at + n) % 8 >= at % 8 && segments[at + n] === segments[at]) n++;
    const row = rows.findIndex(
      (r) => r.ids.length === n + 1 && r.ids.slice(0, n).every((id, i) => id === ids[at + i]),
    );
    for (let i = 0; i < n * 12; i++) {
      expect(got[at * 12 + i]).toBeCloseTo(want[row * width * 12 + i], 9);
      compared++;
    }
  }
  expect(compared).toBe(21 * 12);
  await inference.dispose();
});
