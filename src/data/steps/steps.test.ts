import { describe, expect, it } from 'vitest';
import { comparableAnswer, finalNumber, majority } from './answers.ts';
import { bleu2, herding, kCenter, noveltyFilter } from './diversity.ts';
import { wordDuplicates } from './duplicates.ts';
import { pureSteps } from './index.ts';
import type { DataStep, StepContext, StepResult, TextRecord } from './step.ts';
import { codeIn, jsonIn } from './verify.ts';

const context: StepContext = { seed: 1, held: [], given: [], pool: [], rated: [] };
const stepOf = (name: string): DataStep => pureSteps.find((s) => s.name === name)!;
const run = async (
  name: string,
  options: object,
  rows: TextRecord[],
  more: Partial<StepContext> = {},
): Promise<StepResult> =>
  stepOf(name).run(rows, stepOf(name).options.parse(options), { ...context, ...more });
const rows = (...responses: string[]): TextRecord[] =>
  responses.map((response, i) => ({ file: 'rows', line: i + 1, prompt: 'q', response }));
const kept = (r: StepResult): (string | undefined)[] => r.kept.map((x) => x.response);

describe('every pure step', () => {
  it.each(pureSteps.map((s) => s.name))(
    '%s: strict options, nothing lost, inputs unchanged, order kept',
    async (name) => {
      const step = stepOf(name);
      const options =
        {
          verify: { by: { kind: 'pattern', pattern: 'a' } },
          best: { by: 'logp', share: 0.5 },
          difficulty: { by: 'logp', min: -2 },
          vote: { answer: 'whole', agreement: 0.1 },
          pair: { by: 'logp' },
        }[name] ?? {};
      expect(step.options.safeParse({ ...options, nonsense: 1 }).success).toBe(false);
      const given = rows('a cat', 'a dog', 'b', 'a cat').map((r, i) => ({ ...r, facts: { logp: -i } }));
      const before = JSON.stringify(given);
      const { kept: k, removed } = await run(name, options, given);
      expect(JSON.stringify(given)).toBe(before);
      // two rows make a pair
      expect(name === 'pair' ? 2 * k.length : k.length + removed.length).toBe(name === 'pair' ? 2 : 4);
      const lines = k.map((r) => r.line);
      expect(lines).toEqual([...lines].sort());
      expect(removed.every((r) => r.reason.length > 3)).toBe(true);
      expect((await run(name, options, [])).kept).toEqual([]);
    },
  );
});

describe('length and pattern', () => {
  it('count words or characters of a field', async () => {
    expect(
      kept(await run('length', { min: 2, max: 3 }, rows('one', 'one two', 'one two three four'))),
    ).toEqual(['one two']);
    expect(kept(await run('length', { unit: 'characters', max: 3 }, rows('😀😀😀', 'abcd')))).toEqual([
      '😀😀😀',
    ]);
    expect(
      kept(await run('pattern', { matches: '^[a-z]+$', not: 'xx' }, rows('abc', 'Abc', 'axxc'))),
    ).toEqual(['abc']);
  });
  it('names the field that a row lacks', async () => {
    await expect(run('length', { field: 'essay' }, rows('a'))).rejects.toThrow(
      /essay[\s\S]*prompt, response/,
    );
  });
});

describe('duplicates and contamination', () => {
  it('join chains of similar texts and keep the first', () => {
    const texts = [
      'the cat sat on the mat today',
      'The cat sat on the mat, today!',
      'a dog ran in the park today',
      'the cat sat on the mat yesterday',
      'short',
    ];
    expect(wordDuplicates(texts, { n: 3, threshold: 0.6 }).kept).toEqual([0, 2, 4]);
  });
  it('find equal and almost equal rows', async () => {
    const long = 'the quick brown fox jumps over the lazy dog near the old river bank';
    const r = await run(
      'duplicates',
      { field: 'response', threshold: 0.8 },
      rows(long, `${long}.`, 'another text', 'another text'),
    );
    expect(kept(r)).toEqual([long, 'another text']);
    expect(r.removed.map((x) => x.reason)).toEqual([
      expect.stringMatching(/% like rows:1/),
      'the same as rows:3',
    ]);
  });
  it('find test rows inside training rows, by input and by a run of words', async () => {
    const held = [
      { file: 'test', line: 7, prompt: 'What is two plus two?', response: 'one two three four five six' },
    ];
    const given = [
      { file: 'rows', line: 1, prompt: 'what is TWO plus two', response: 'x' },
      { file: 'rows', line: 2, prompt: 'count', response: 'well: one two three four five, done' },
      { file: 'rows', line: 3, prompt: 'count', response: 'one two three and five' },
    ];
    const r = await run('decontaminate', { n: 5 }, given, { held });
    expect(r.kept.map((x) => x.line)).toEqual([3]);
    expect(r.removed.every((x) => x.reason.includes('test:7'))).toBe(true);
  });
});

describe('diversity', () => {
  it('keeps what is novel, the order deciding', () => {
    const got = noveltyFilter(
      ['write a short poem about the sea', 'list three prime numbers'],
      [
        'write a short poem about the sky',
        'name the capital of france',
        'list three even numbers below ten',
        'name the capital of spain',
      ],
      { threshold: 0.7 },
    );
    expect(got.map((g) => g.kept)).toEqual([false, true, true, false]);
    expect(got.map((g) => g.similarity)).toEqual([6 / 7, 1 / 6, 0.6, 0.8].map((x) => expect.closeTo(x, 12)));
  });
  it('measures BLEU-2 with its brevity penalty', () => {
    const w = (t: string): string[] => t.split(' ');
    expect(bleu2(w('a b c'), w('a b c'))).toBeCloseTo(1, 12);
    // unigrams 2/2, pairs 1/1, one word short: exp(1 - 3/2)
    expect(bleu2(w('a b'), w('a b c'))).toBeCloseTo(Math.exp(-0.5), 12);
    expect(bleu2(w('x y'), w('a b c'))).toBe(0);
  });
  it('covers points, or their mean', async () => {
    const points = [[0], [1], [10], [11], [5]];
    expect(kCenter(points, 3)).toEqual([0, 3, 4]);
    expect(herding(points, 1)).toEqual([4]);
    expect(kCenter([[1], [1]], 5)).toEqual([0, 1]);
    const r = await run(
      'diversity',
      { field: 'response', measure: 'tfidf', keep: 2 },
      rows('red apple', 'red apple pie', 'deep blue sea'),
    );
    expect(kept(r)).toEqual(['red apple', 'deep blue sea']);
  });
});

describe('diversity by vectors', () => {
  const given = rows('north', 'north again', 'east', 'south-east');
  const places: Record<string, number[]> = {
    north: [0, 2],
    'north again': [0.1, 3],
    east: [1, 0],
    'south-east': [4, -4],
  };
  const asked: string[] = [];
  const vectors = {
    id: 'compass',
    embed: async (texts: readonly string[]) => {
      asked.push(...texts);
      return texts.map((t) => Float32Array.from(places[t]));
    },
  };
  const by = { field: 'response', measure: 'embedding', embedder: 'encoder' };
  it('keeps what points elsewhere, whatever its length', async () => {
    const r = await run('diversity', { ...by, threshold: 0.95 }, given, { vectors });
    expect(kept(r)).toEqual(['north', 'east', 'south-east']);
    expect(r.removed.map((x) => x.reason)).toEqual([expect.stringMatching(/embedding 1.00 with a row/)]);
    expect(r.kept[2].facts!.similarity).toBeCloseTo(Math.SQRT1_2, 5);
    expect(asked).toEqual(given.map((g) => g.response));
  });
  it('keeps the farthest, and says when no encoder is named', async () => {
    expect(kept(await run('diversity', { ...by, keep: 2 }, given, { vectors }))).toEqual([
      'north',
      'south-east',
    ]);
    await expect(run('diversity', { field: 'response', measure: 'embedding' }, given)).rejects.toThrow(
      /embedder/,
    );
  });
});

describe('pairs', () => {
  const scored = (...scores: number[]) =>
    rows(...scores.map((_, i) => `answer ${i}`)).map((r, i) => ({ ...r, facts: { score: scores[i] } }));
  it('set the best against the worst, the second best against the second worst', async () => {
    const r = await run('pair', { pairs: 3 }, scored(3, 1, 5, 4, 2));
    expect(r.kept.map((k) => [k.chosen, k.rejected, k.facts!.difference])).toEqual([
      ['answer 2', 'answer 1', 4],
      ['answer 3', 'answer 4', 2],
    ]);
    expect(r.kept[0].response).toBeUndefined();
  });
  it('leave out what is equal, alone, or differs by too little', async () => {
    expect((await run('pair', {}, scored(2, 2))).removed[0].reason).toMatch(/differs by 0/);
    expect((await run('pair', {}, scored(2))).removed[0].reason).toMatch(/nothing to compare/);
    expect((await run('pair', { margin: 1 }, scored(2, 1))).kept).toEqual([]);
    const twice = scored(2, 1).map((r) => ({ ...r, response: 'the same' }));
    expect((await run('pair', {}, twice)).kept).toEqual([]);
  });
});

describe('answers', () => {
  it('are found and compared', () => {
    expect(
      [
        'so 3+4=7. The final answer is 7.',
        '\\boxed{1,234}, not 12',
        'Total: $3.50',
        'none',
        'the answer is: -12 and 4',
      ].map((t) => finalNumber(t).value),
    ).toEqual([7, 1234, 3.5, null, -12]);
    expect(comparableAnswer(' 1,234.0 ')).toBe(comparableAnswer('1234'));
    expect(comparableAnswer('Paris.')).toBe('paris');
    expect(majority(['7', '8'])).toEqual({ answer: '7', agreement: 0.5 });
    expect(majority([])).toBeUndefined();
  });
  it('are voted on: samples that disagree or say nothing go', async () => {
    const r = await run('vote', { agreement: 0.5, keep: 1 }, rows('it is 4', 'I say 5', 'so 4.0', 'no idea'));
    expect(kept(r)).toEqual(['it is 4']);
    expect(r.kept[0].facts).toMatchObject({ answer: '4', agreement: 0.5 });
    expect(
      kept(await run('vote', { agreement: 0.6 }, rows('it is 4', 'I say 5', 'so 4.0', 'no idea'))),
    ).toEqual([]);
  });
});

describe('verify', () => {
  const sums = rows('2 + 2 = 4', '2 + 2 = 5', 'the answer is 4').map((r) => ({
    ...r,
    meta: { answer: '4' },
  }));
  it('keeps right answers, or notes who was right and how hard the prompt is', async () => {
    const exact = { by: { kind: 'exact' } };
    expect((await run('verify', exact, sums)).kept.map((r) => r.line)).toEqual([1, 3]);
    expect((await run('verify', { ...exact, perPrompt: 1 }, sums)).kept.map((r) => r.line)).toEqual([1]);
    const marked = await run('verify', { ...exact, mark: true }, sums);
    expect(marked.kept.map((r) => r.facts!.right)).toEqual([true, false, true]);
    const hard = await run('difficulty', { max: 0.5 }, [...marked.kept]);
    expect(hard.removed[0].reason).toMatch(/passRate 0.667 is above 0.5/);
  });
  it('checks JSON against a schema, also in a fence', async () => {
    const schema = { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } };
    const r = await run(
      'verify',
      { by: { kind: 'schema', schema } },
      rows('{"a": 1}', '```json\n{"a": 2}\n```', '{"a": "x"}', 'no'),
    );
    expect(r.kept.map((x) => x.line)).toEqual([1, 2]);
    expect(jsonIn('so: [1, 2] it is')).toEqual([1, 2]);
    expect(codeIn('Here:\n```js\nlet a;\n```\nand\n```js\nlet b;\n```')).toBe('let a;\n\nlet b;\n');
  });
  it('runs code only when that is written out', async () => {
    const by = { kind: 'unit-test', run: true, isolation: 'process', seconds: 20 };
    expect(stepOf('verify').options.safeParse({ by: { ...by, run: undefined } }).success).toBe(false);
    const code = rows(
      '```js\nconst twice = (x) => 2 * x;\n```',
      'const twice = (x) => x;',
      'process.exit(0)',
    ).map((r) => ({
      ...r,
      meta: { tests: 'assert.equal(twice(4), 8)' },
    }));
    const r = await run('verify', { by }, code);
    expect(r.kept.map((x) => x.line)).toEqual([1]);
    expect(r.removed.map((x) => x.reason)).toEqual([
      expect.stringMatching(/^failed/),
      expect.stringMatching(/^failed/),
    ]);
  });
});

describe('best', () => {
  it('keeps a share, or so many per prompt, by any figure', async () => {
    const given = rows('a', 'b', 'c', 'd', 'e').map((r, i) => ({
      ...r,
      facts: { logp: [-3, -1, -5, -2, -4][i] },
    }));
    expect(kept(await run('best', { share: 0.8 }, given))).toEqual(['a', 'b', 'd', 'e']);
    expect(kept(await run('best', { perPrompt: 2 }, given))).toEqual(['b', 'd']);
    expect(kept(await run('best', { perPrompt: 1, smallest: true }, given))).toEqual(['c']);
    await expect(run('best', { by: 'score' }, given)).rejects.toThrow(/score/);
  });
});
