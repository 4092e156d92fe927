import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../data/tokenizer/train.ts';
import type { Example } from '../data/types.ts';
import { createNodeEngine } from '../engine/node/engine.ts';
import { type NDArray, ndarray, spec, sym, type Tensor, toNumbers } from '../graph/index.ts';
import { linear, linearParams } from '../nn/layers/linear.ts';
import type { AnyModel } from '../nn/model.ts';
import { type Scope, scopeOf } from '../nn/scope.ts';
import { sgd } from '../optim/index.ts';
import { train } from './loop.ts';
import { followed, MOVING, withMovingReference, withoutReference } from './policy.ts';
import { goodResponse, preferenceRows, preferenceSource } from './preference.ts';

const at = { file: 'x', line: 1 };
const files = trainTokenizer('char', ['abcdefgh '], {
  vocabSize: 20,
  minFrequency: 1,
  lowercase: false,
});
const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
const pairs: Example[] = [
  { ...at, prompt: 'abcdefgh', chosen: 'ab', rejected: 'abcd' },
  { ...at, prompt: 'a', chosen: 'b', rejected: 'c' },
];

describe('rows of responses', () => {
  it('stand after one and the same piece of the prompt, which loses its beginning first', () => {
    const rows = preferenceRows(pairs, { tokenizer, maxLength: 9 });
    expect([rows.size, rows.width, rows.flat.size]).toEqual([2, 2, 4]);
    const prompts = rows.lists[0].map((i) => {
      const { ids, learned } = rows.flat.rows[i];
      return ids.filter((_, t) => !learned[t]);
    });
    // ten tokens in all: five of the longer response with its end mark, five of the prompt
    expect(prompts[0]).toEqual(prompts[1]);
    expect(tokenizer.decode(prompts[0])).toBe('defgh');
    expect(rows.scores).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  it('make batches with log-probabilities at their tokens and marks on what exists', async () => {
    const lists: Example[] = [
      { ...at, prompt: 'a', responses: ['bc', 'd', 'e'], scores: [0.5, 2, -1], weight: 2 },
      { ...at, prompt: 'ab', responses: ['c', 'dd'], scores: [1, 0] },
    ];
    const rows = preferenceRows(lists, { tokenizer, maxLength: 16 });
    const logps = (i: number): Float64Array =>
      Float64Array.from(
        rows.flat.rows[i].learned.filter((l) => l),
        (_, k) => -(i + 1) - k / 10,
      );
    const batch = await preferenceSource(rows, { reference: logps, teacher: logps }).collate([0, 1]);
    expect(batch['input/input_ids'].shape).toEqual([2, 3, 8]);
    expect([...(batch.present.data as Float32Array)]).toEqual([1, 1, 1, 1, 1, 0]);
    expect([...(batch['mask/examples'].data as Float32Array)]).toEqual([2, 1]);
    const sums = toNumbers(batch['reference/logp']);
    // 'bc' and its end mark: -1 - 1.1 - 1.2
    expect(sums[0]).toBeCloseTo(-3.3, 5);
    expect(toNumbers(batch['teacher/logp'])[1]).toBeCloseTo(-4.1, 5);
    const tokens = [...toNumbers(batch['reference/tokens'])].slice(0, 8);
    const labels = [...(batch['input/response'].data as Int32Array)].slice(0, 8);
    expect(labels.map((l) => l >= 0)).toEqual(tokens.map((t) => t < 0));
    expect(toNumbers(batch['mask/tokens']).reduce((a, b) => a + b)).toBe(3 + 2 + 2 + 2 + 3);
  });

  it('lay the next row’s response beside each row where a method asks for it', async () => {
    const singles: Example[] = [
      { ...at, prompt: 'a', response: 'b', good: true },
      { ...at, prompt: 'c', response: 'd', good: false },
    ];
    const rows = preferenceRows(singles, { tokenizer, maxLength: 8, mismatched: true });
    const texts = rows.mismatched!.map((i) =>
      tokenizer.decode([...rows.flat.rows[i].ids], { skipSpecial: true }),
    );
    expect(texts).toEqual(['ad', 'cb']);
    const batch = await preferenceSource(rows, { reference: (i) => Float64Array.of(-i, -i) }).collate([1, 0]);
    expect(batch['input/input_ids'].shape.slice(0, 2)).toEqual([2, 2]);
    expect(batch.scores.shape).toEqual([2, 1]);
    expect([...toNumbers(batch['reference/mismatched'])]).toEqual(
      [1, 0].map((r) => -2 * rows.mismatched![r]),
    );
  });

  it('say which response is worth imitating', () => {
    expect(goodResponse(pairs[0])).toBe('ab');
    expect(goodResponse({ ...at, responses: ['x', 'y'], scores: [-3, -1] })).toBe('y');
    expect(goodResponse({ ...at, response: 'z', good: false })).toBeUndefined();
  });
});

describe('a moving reference', () => {
  it('follows the policy by its decay, is never trained, and leaves with the policy', async () => {
    const policy: AnyModel = {
      architecture: 'Slope',
      config: {},
      params: linearParams(1, 1, { bias: false }),
      inputs: { x: spec([sym('batch'), 1]) },
      forward: (s: Scope, { x }: Record<string, Tensor>) => ({ logp: linear(s, x) }),
    };
    const model = followed(policy, 0.75);
    const engine = createNodeEngine({ threads: 1 });
    const one = (): NDArray => ndarray(Float32Array.of(1), [1, 1]);
    try {
      const { params } = await train({
        engine,
        objective: {
          params: model.params,
          scalars: [],
          terms: (p, batch, ctx) => {
            const scope = scopeOf(p, { train: true, updates: ctx.updates });
            const out = model.forward(scope, { x: batch['input/x'] }) as Record<string, Tensor>;
            return { terms: { up: { value: out.logp } }, masks: { examples: batch['mask/examples'] } };
          },
        },
        params: withMovingReference({ weight: one() }),
        source: {
          size: 1,
          collate: () => ({ 'input/x': one(), 'mask/examples': ndarray(Float32Array.of(1), [1]) }),
        },
        batchSize: 1,
        steps: 2,
        optimizer: sgd(),
        lr: () => 1,
        seed: 1,
      });
      // the policy falls by one a step: 1, 0, -1; the reference saw 1, then 0
      expect(toNumbers(params.weight)[0]).toBeCloseTo(-1, 6);
      expect(toNumbers(params[`${MOVING}.weight`])[0]).toBeCloseTo(0.75 * 1 + 0.25 * 0, 6);
      expect(Object.keys(withoutReference(params))).toEqual(['weight']);
    } finally {
      await engine.close();
    }
  });
});
