import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import { type PrepareOptions, prepareData } from './prepare.ts';
import { type DataSpec, dataDefaults } from './spec.ts';
import { folderWith } from './testing/files.ts';
import type { Example, Problem, Task } from './types.ts';

const WORDS =
  'card money transfer account order parcel late refund please today cannot login address change plan invoice street number missing broken'.split(
    ' ',
  );
const sentence = (seed: number): string => {
  const rng = createRng(`s${seed}`);
  return Array.from({ length: 8 + rng.int(8) }, () => rng.pick(WORDS)).join(' ');
};
const csv = (rows: [string, string][]): string =>
  `text,label\n${rows.map(([t, l]) => `${t},${l}`).join('\n')}\n`;
const distinct = (n: number, from = 0): [string, string][] =>
  Array.from({ length: n }, (_, i) => [sentence(from + i), ['a', 'b', 'c'][i % 3]]);

const prepare = (
  files: Record<string, string>,
  spec: Partial<DataSpec> = {},
  options: Partial<PrepareOptions> = {},
) =>
  prepareData(
    {
      ...structuredClone(dataDefaults),
      validation: 0,
      test: 0,
      train: { source: 'train.csv' },
      ...spec,
    } as DataSpec,
    {
      task: 'classify',
      baseDir: folderWith(files),
      ...options,
    },
  );

const drain = async (source: AsyncIterable<Example>): Promise<Example[]> => {
  const out: Example[] = [];
  for await (const e of source) out.push(e);
  return out;
};

describe('prepareData', () => {
  it('accounts for every row: kept, elsewhere or put aside', async () => {
    const problems: Problem[] = [];
    const rows = distinct(60);
    const broken = `${csv(rows)}ragged\nx,y,z\n,a\nbad \ufffd byte,a\n   ,b\n${rows[0].join(',')}\n`;
    const { report, splits } = await prepare(
      { 'train.csv': broken },
      { test: 0.25 },
      { onProblem: (p) => problems.push(p) },
    );
    const { train, test } = report.splits;
    expect(train.problems.aside).toEqual({ ragged: 2, empty: 2, encoding: 1, duplicate: 1 });
    expect(problems.map((p) => p.line)).toEqual([62, 63, 64, 65, 66, 67]);
    expect(train.rows).toBe(66);
    expect(train.kept + train.moved + problems.length).toBe(train.rows);
    expect(train.moved).toBe(test.kept);
    expect(test.kept).toBe(15);
    expect(splits.train.size).toBe(45);
  });

  it('splits by class with a seed, and the same seed gives the same split', async () => {
    const rows = [
      ...distinct(90),
      ...Array.from({ length: 10 }, (_, i): [string, string] => [sentence(900 + i), 'rare']),
    ];
    const run = (seed: number) => prepare({ 'train.csv': csv(rows) }, { test: 0.2, validation: 10, seed });
    const [one, again, other] = [await run(1), await run(1), await run(2)];
    expect(one.classes).toEqual(['a', 'b', 'c', 'rare']);
    expect(one.report.splits.test.balance?.counts).toEqual([6, 6, 6, 2]);
    expect(one.report.splits.validation.kept).toBe(10);
    const lines = (p: typeof one) => p.splits.test?.items?.map((e) => e.line);
    expect(lines(one)).toEqual(lines(again));
    expect(lines(one)).not.toEqual(lines(other));
    const all = (['train', 'validation', 'test'] as const).flatMap(
      (s) => one.splits[s]?.items?.map((e) => e.line) ?? [],
    );
    expect(new Set(all).size).toBe(100);
  });

  it('puts contradictions aside in training and only notes them in the test', async () => {
    const train: [string, string][] = [...distinct(9), ['same words here', 'a'], ['same words here', 'b']];
    const test: [string, string][] = [
      ['other words there', 'a'],
      ['other words there', 'c'],
    ];
    const files = { 'train.csv': csv(train), 'test.csv': csv(test) };
    const { report } = await prepare(files, { test: { source: 'test.csv' } });
    expect(report.splits.train.problems.aside).toEqual({ contradiction: 2 });
    expect(report.samples.find((p) => p.kind === 'contradiction')?.line).toBe(11);
    expect(report.splits.test).toMatchObject({
      kept: 2,
      problems: { aside: {}, noted: { contradiction: 2 } },
    });
    const kept = await prepare(files, { test: { source: 'test.csv' }, contradictions: 'report' });
    expect(kept.report.splits.train).toMatchObject({
      kept: 11,
      problems: { aside: {}, noted: { contradiction: 2 } },
    });
  });

  it('removes training rows that stand in the test, exactly or almost', async () => {
    const [exact, near] = [sentence(500), `${sentence(501)} ${sentence(502)}`];
    const train: [string, string][] = [...distinct(12), [exact, 'a'], [`${near} now`, 'b']];
    const files = {
      'train.csv': csv(train),
      'test.csv': csv([
        [exact, 'a'],
        [near.toUpperCase(), 'b'],
      ]),
    };
    const removed = await prepare(files, { test: { source: 'test.csv' } });
    expect(removed.report.splits.train.problems.aside).toEqual({ leak: 1, 'near-leak': 1 });
    expect(removed.splits.train.size).toBe(12);
    const quick = await prepare(files, { test: { source: 'test.csv' } }, { quick: true });
    expect(quick.report.splits.train.problems.aside).toEqual({ leak: 1 });
    const off = await prepare(files, {
      test: { source: 'test.csv' },
      duplicates: { ...dataDefaults.duplicates, leaks: 'off' },
    });
    expect(off.splits.train.size).toBe(14);
  });

  it('accounts for held-out rows that stand in the test, too', async () => {
    const rows = distinct(30);
    const files = { 'train.csv': csv(rows), 'test.csv': csv(rows.slice(0, 15)) };
    const { report } = await prepare(files, { test: { source: 'test.csv' }, validation: 10 });
    const { train, validation } = report.splits;
    const aside = (s: typeof train) => Object.values(s.problems.aside).reduce((a, b) => a + b, 0);
    expect(train.moved).toBe(10);
    expect(validation.rows).toBe(10);
    expect(validation.kept + aside(validation)).toBe(10);
    expect(train.kept + aside(train) + train.moved).toBe(30);
    expect(train.kept + validation.kept).toBe(15);
  });

  it('reports near-duplicates, or removes them when asked', async () => {
    const long = `${sentence(1)} ${sentence(2)} ${sentence(3)}`;
    const files = { 'train.csv': csv([...distinct(9, 50), [long, 'a'], [`${long}!`, 'b']]) };
    const noted = await prepare(files);
    expect(noted.report.splits.train).toMatchObject({
      kept: 11,
      problems: { noted: { 'near-duplicate': 1 } },
    });
    expect(noted.report.samples[0].message).toMatch(
      /100 % like .*train\.csv:11, which has class 0 instead of 1/,
    );
    const removed = await prepare(files, {
      duplicates: { ...dataDefaults.duplicates, near: { action: 'remove', threshold: 0.9 } },
    });
    expect(removed.splits.train.size).toBe(10);
  });

  it('takes classes from the recipe, by name or index, and puts unknown labels aside', async () => {
    const files = {
      'train.csv': csv([
        ['one text', 'late'],
        ['two text', '1'],
        ['three text', 'nonsense'],
        ['four text', '7'],
      ]),
    };
    const { splits, report, classes } = await prepare(files, { classes: ['late', 'lost'] });
    expect(splits.train.items?.map((e) => e.label)).toEqual([0, 1]);
    expect(report.splits.train.problems.aside).toEqual({ 'unknown-label': 2 });
    expect(classes).toEqual(['late', 'lost']);
    const numbers = await prepare({
      'train.csv': csv([
        ['one text', '10'],
        ['two text', '9'],
        ['three text', '2'],
      ]),
    });
    expect(numbers.classes).toEqual(['2', '9', '10']);
  });

  it('keeps groups on one side of a split', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${sentence(i)},${'ab'[i % 2]},user${i % 12}`).join(
      '\n',
    );
    const { splits } = await prepare(
      { 'train.csv': `text,label,who\n${rows}\n` },
      { test: 0.25, columns: { group: 'who' } },
    );
    const groups = (s: 'train' | 'test') => new Set(splits[s]?.items?.map((e) => e.group));
    expect([...groups('test')].filter((g) => groups('train').has(g))).toEqual([]);
    expect(splits.test?.size).toBe(15);
  });

  it.each([
    ['oversample', [30, 30], undefined],
    ['undersample', [10, 10], undefined],
    ['weight', [30, 10], 20 / 30],
  ] as const)('balance: %s', async (balance, counts, weight) => {
    const rows = Array.from({ length: 40 }, (_, i): [string, string] => [
      sentence(i),
      i < 30 ? 'many' : 'few',
    ]);
    const { report, splits, classes } = await prepare({ 'train.csv': csv(rows) }, { balance });
    expect(classes).toEqual(['few', 'many']);
    expect(report.splits.train.balance?.counts).toEqual([...counts].reverse());
    if (weight !== undefined) {
      const items = splits.train.items!;
      expect(items.find((e) => e.label === 1)?.weight).toBeCloseTo(weight);
      expect(items.reduce((sum, e) => sum + e.weight!, 0) / items.length).toBeCloseTo(1);
    }
  });

  it.each([
    ['generate', 'prompt,response\nq,a\n', { prompt: 'q', response: 'a' }],
    ['embed', 'text,pair,score\na,b,0.5\n', { text: 'a', pair: 'b', score: 0.5 }],
    ['rank', 'query,document,relevance\na,b,2\n', { text: 'a', pair: 'b', score: 2 }],
    ['prefer', 'prompt,chosen,rejected\np,c,r\n', { prompt: 'p', chosen: 'c', rejected: 'r' }],
    ['prefer', 'prompt,response,good\np,c,yes\n', { prompt: 'p', response: 'c', good: true }],
    [
      'prefer',
      'prompt,responses,scores\np,"[""x"",""y""]","[1,2]"\n',
      { prompt: 'p', responses: ['x', 'y'], scores: [1, 2] },
    ],
  ] as [Task, string, Partial<Example>][])('%s reads %j', async (task, content, expected) => {
    const { splits } = await prepare({ 'train.csv': content }, {}, { task });
    expect(splits.train.items?.[0]).toMatchObject(expected);
  });

  it('reads features from columns, and templates from several', async () => {
    const table = await prepare(
      { 'train.csv': 'x,y,kind\n1,2.5,a\n3,oops,b\n4,5,b\n' },
      { columns: { features: '*', label: 'kind' } },
    );
    expect(table.splits.train.items?.map((e) => [...e.features!])).toEqual([
      [1, 2.5],
      [4, 5],
    ]);
    expect(table.report.splits.train.problems.aside).toEqual({ type: 1 });
    const joined = await prepare(
      { 'train.csv': 'title,body,label\nHi,there,a\nSo,long,b\n' },
      { columns: { text: '{title}: {body}' } },
    );
    expect(joined.splits.train.items?.map((e) => e.text)).toEqual(['Hi: there', 'So: long']);
  });

  it('says what is missing when columns do not fit', async () => {
    await expect(prepare({ 'train.csv': 'foo,bar\n1,2\n' })).rejects.toThrow(
      /columns do not give what task classify needs; seen: \["foo","bar"\].*data\.columns/,
    );
    await expect(prepare({ 'train.csv': csv(distinct(3)) }, { columns: { label: 'lable' } })).rejects.toThrow(
      /data\.columns\.label: no such column; seen: "lable".*did you mean "label"/,
    );
    await expect(prepare({ 'train.csv': csv(distinct(3)) }, { columns: { prompt: 'text' } })).rejects.toThrow(
      /task classify has no role "prompt"/,
    );
    await expect(
      prepare({
        'train.csv': csv([
          ['a text', 'a'],
          ['b text', 'a'],
        ]),
      }),
    ).rejects.toThrow(/at least two classes; seen: \["a"\]/);
    await expect(prepare({ 'train.csv': 'text,label\n,a\n' })).rejects.toThrow(
      /none of 1 rows can be used; seen: "1 rows: empty, first at line 2/,
    );
    await expect(prepare({ 'train.csv': 'text,label\n' })).rejects.toThrow(/no rows/);
    await expect(prepare({ 'train.csv': csv(distinct(6)) }, { test: 6 })).rejects.toThrow(
      /more rows are to be held out than there are/,
    );
  });
});

describe('streaming', () => {
  const rows: [string, string][] = [...distinct(500), ...distinct(3), ['', 'a'], [sentence(499), 'z']];
  const files = { 'train.csv': csv(rows) };
  const streaming = { buffer: 64 };

  it('finds the same problems and delivers the same rows as reading into memory', async () => {
    const spec: Partial<DataSpec> = {
      duplicates: { ...dataDefaults.duplicates, near: { action: 'off', threshold: 0.9 } },
      contradictions: 'report',
    };
    const held = await prepare(files, spec);
    const stream = await prepare(files, { ...spec, streaming });
    expect(stream.splits.train.items).toBeUndefined();
    expect(stream.report.splits.train.problems.aside).toEqual(held.report.splits.train.problems.aside);
    expect(stream.report.splits.train.balance).toEqual(held.report.splits.train.balance);
    const texts = async (s: typeof held) =>
      (await drain(s.splits.train.read())).map((e) => `${e.text} ${e.label}`);
    expect(await texts(stream)).toEqual(await texts(held));
    expect(stream.splits.train.size).toBe(held.splits.train.size);
  });

  it('holds rows out once, and never delivers them for training', async () => {
    const { splits, report } = await prepare(files, { streaming, validation: 50, test: 0.2 });
    const [test, validation] = [splits.test!.items!, splits.validation!.items!];
    expect(validation).toHaveLength(50);
    expect(test).toHaveLength(Math.round(0.2 * 501));
    const train = await drain(splits.train.read());
    const lines = [...train, ...test, ...validation].map((e) => e.line);
    expect(new Set(lines).size).toBe(lines.length);
    expect(report.splits.train.kept).toBe(train.length);
  });

  it('shuffles by seed and epoch, and resumes where it stopped', async () => {
    const { splits } = await prepare(files, { streaming });
    const order = async (options: Parameters<typeof splits.train.read>[0]) =>
      (await drain(splits.train.read(options))).map((e) => e.line);
    const whole = await order({ seed: 7 });
    expect(await order({ seed: 7 })).toEqual(whole);
    expect(await order({ seed: 7, epoch: 1 })).not.toEqual(whole);
    expect([...whole].sort((a, b) => a - b)).toEqual(await order({}));
    for (const from of [1, 100, 440, whole.length])
      expect(await order({ seed: 7, from })).toEqual(whole.slice(from));
  });

  it('resumes a split in memory likewise', async () => {
    const { splits } = await prepare(files);
    const whole = await drain(splits.train.read({ seed: 1, epoch: 3 }));
    expect(await drain(splits.train.read({ seed: 1, epoch: 3, from: 17 }))).toEqual(whole.slice(17));
    expect(whole).not.toEqual(splits.train.items);
  });
});
