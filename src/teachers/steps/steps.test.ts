import { describe, expect, it } from 'vitest';
import type { DataStep, StepContext, StepResult, TextRecord, TextTeacher } from '../../data/steps/step.ts';
import { severalWriters } from '../several-writers.ts';
import { numbered } from './expand.ts';
import { askingSteps } from './index.ts';
import { readChoice, readScore, readVerdict } from './judge.ts';

/** A teacher that answers by a rule, and remembers what it was asked. */
function ruled(answer: (prompt: string, sample: number) => string): TextTeacher & { asked: string[] } {
  const asked: string[] = [];
  return {
    name: 'rule',
    id: 'rule:1',
    asked,
    write: async (prompts, { samples = 1 }) =>
      prompts.map((p) => {
        asked.push(p);
        return Array.from({ length: samples }, (_, i) => ({ text: answer(p, i), logp: -i, finished: true }));
      }),
  };
}
const context = (teacher?: TextTeacher, pool: TextRecord[] = []): StepContext => ({
  seed: 1,
  held: [],
  given: [],
  pool,
  rated: [],
  teacher,
});
const stepOf = (name: string): DataStep => askingSteps.find((s) => s.name === name)!;
const run = async (name: string, options: object, rows: TextRecord[], c: StepContext): Promise<StepResult> =>
  stepOf(name).run(rows, stepOf(name).options.parse(options), c);
const row = (prompt: string, response?: string, line = 1): TextRecord => ({
  file: 'rows',
  line,
  prompt,
  response,
});

describe('write', () => {
  it('makes a row of every sample, with its provenance, and drops empty texts', async () => {
    const teacher = ruled((p, i) => (i === 2 ? '  ' : `${p} says ${i}.`));
    const r = await run(
      'write',
      { samples: 3, template: 'Q: {prompt}\nA:', strip: '\\.$' },
      [row('x')],
      context(teacher),
    );
    expect(teacher.asked).toEqual(['Q: x\nA:']);
    expect(r.kept.map((k) => k.response)).toEqual(['Q: x\nA: says 0', 'Q: x\nA: says 1']);
    expect(r.kept[1]).toMatchObject({
      file: 'rows',
      prompt: 'x',
      facts: { logp: -1 },
      trail: [{ step: 'write', by: 'rule:1', note: 'sample 1' }],
    });
    expect(r.removed.map((x) => x.reason)).toEqual(['an empty text']);
  });
  it('asks about the pool when there is one, and can keep the given rows', async () => {
    const r = await run(
      'write',
      { keepGiven: true },
      [row('x', 'given')],
      context(
        ruled(() => 'new'),
        [row('p')],
      ),
    );
    expect(r.kept.map((k) => [k.prompt, k.response])).toEqual([
      ['x', 'given'],
      ['p', 'new'],
    ]);
  });
  it('says what is missing', async () => {
    await expect(run('write', {}, [row('x')], context())).rejects.toThrow(/write asks a teacher/);
    await expect(
      run('write', { template: '{essay}' }, [row('x')], context(ruled(() => 'a'))),
    ).rejects.toThrow(/essay/);
  });
});

describe('expand', () => {
  it('shows examples and keeps only novel prompts', async () => {
    let n = 0;
    const teacher = ruled(
      () => ['write a poem about rain', 'sort these numbers upwards', 'name a river of spain'][n++ % 3],
    );
    const seeds = [row('write a poem about snow', 'a', 1), row('list all prime numbers', 'b', 2)];
    const r = await run('expand', { to: 4, shots: 2, samples: 1, noun: 'Task: ' }, seeds, context(teacher));
    expect(r.kept.map((k) => k.prompt)).toEqual([
      'write a poem about snow',
      'list all prime numbers',
      'sort these numbers upwards',
      'name a river of spain',
    ]);
    expect(r.removed[0].reason).toMatch(/ROUGE-L 0.80/);
    expect(teacher.asked[0]).toMatch(/^1\. Task: .+\n2\. Task: .+\n3\. Task:$/);
    expect(r.kept[2].trail).toMatchObject([{ step: 'expand' }]);
  });
  it('gives up after its rounds', async () => {
    const r = await run(
      'expand',
      { to: 9, rounds: 2, samples: 1 },
      [row('a b c')],
      context(ruled(() => 'a b c')),
    );
    expect(r.kept).toHaveLength(1);
    expect(r.figures).toMatchObject({ questions: 16, novel: 0 });
  });
  it('numbers examples', () =>
    expect(numbered(['a', 'b'], 'Event: ', '\n')).toBe('1. Event: a\n2. Event: b\n3. Event:'));
});

describe('explain', () => {
  it('puts the reasoning before the answer', async () => {
    const r = await run(
      'explain',
      {},
      [row('2+2?', '4')],
      context(ruled((p) => `because ${p.includes('4')}`)),
    );
    expect(r.kept[0].response).toBe('because true\n4');
    expect(r.kept[0].facts).toEqual({ rationale: 'because true', answer: '4' });
  });
});

describe('judge and prefer', () => {
  it('reads scores and choices', () => {
    expect([readScore('4/5', 1, 5), readScore('a 7, no: 3', 1, 5), readScore('good', 1, 5)]).toEqual([
      4,
      3,
      undefined,
    ]);
    expect([readChoice('B.'), readChoice('Answer: A'), readChoice('Both')]).toEqual(['B', 'A', undefined]);
  });
  it('reads verdicts in words, whole ones only', async () => {
    const words = { good: 1, bad: 0, 'not good': 0.2 };
    expect(
      ['Good!', 'it is bad, not good', 'goodness', 'not good at all'].map((t) => readVerdict(t, words)),
    ).toEqual([1, 0, undefined, 0.2]);
    const teacher = ruled((p) => (p.includes('yes') ? 'true' : 'false'));
    const r = await run(
      'judge',
      { verdicts: { true: 1, false: 0 } },
      [row('q', 'yes'), row('q', 'no')],
      context(teacher),
    );
    expect(r.kept.map((k) => k.facts!.score)).toEqual([1, 0]);
  });
  it('drops low scores and silence', async () => {
    const teacher = ruled((p) => (p.includes('good') ? '5' : p.includes('bad') ? '2' : 'hm'));
    const r = await run(
      'judge',
      { min: 3 },
      [row('q', 'good'), row('q', 'bad'), row('q', 'odd')],
      context(teacher),
    );
    expect(r.kept.map((k) => k.facts!.score)).toEqual([5]);
    expect(r.removed.map((x) => x.reason)).toEqual(['score 2, below 3', 'the judge gave no score']);
  });
  it('asks in both orders, so that a judge who always says A decides nothing', async () => {
    const rows = [row('q', 'short'), row('q', 'much longer'), row('r', 'alone')];
    const longer = ruled((p) => (/A: much/.test(p) ? 'A' : 'B'));
    const fair = await run('prefer', {}, rows, context(longer));
    expect(fair.kept.map((k) => [k.chosen, k.rejected, k.response])).toEqual([
      ['much longer', 'short', undefined],
    ]);
    expect(fair.removed.map((x) => x.reason)).toEqual(['nothing to compare it with']);
    const biased = await run('prefer', {}, rows, context(ruled(() => 'A')));
    expect(biased.kept).toEqual([]);
    expect(biased.removed.map((x) => x.reason)).toContain('undecided over both orders');
  });
});

describe('sample', () => {
  it('asks the student, not the teacher', async () => {
    const [teacher, student] = [
      ruled(() => 'from the teacher'),
      { ...ruled((p, i) => `${p} ${i}`), id: 'student:7' },
    ];
    const r = await run('sample', { samples: 2 }, [row('x', 'given')], { ...context(teacher), student });
    expect(r.kept.map((k) => [k.response, k.trail!.at(-1)])).toEqual([
      ['x 0', { step: 'sample', by: 'student:7', note: 'sample 0' }],
      ['x 1', { step: 'sample', by: 'student:7', note: 'sample 1' }],
    ]);
    expect(teacher.asked).toEqual([]);
  });
});

describe('several teachers that write', () => {
  const named = (id: string) => ({ ...ruled((p) => `${id}: ${p}`), id });
  const [law, rest, also] = [named('law'), named('rest'), named('also')];
  const about = (prompt: string, domain?: string): TextRecord => ({
    ...row(prompt),
    ...(domain ? { meta: { domain } } : {}),
  });
  it('answer the rows of their domain', async () => {
    const teacher = severalWriters([{ writer: law, for: ['law'] }, { writer: rest }], { by: 'domain' });
    const r = await run(
      'write',
      {},
      [about('a', 'law'), about('b', 'art'), about('c', 'law')],
      context(teacher),
    );
    expect(r.kept.map((k) => [k.response, k.trail![0].by])).toEqual([
      ['law: a', 'law'],
      ['rest: b', 'rest'],
      ['law: c', 'law'],
    ]);
    await expect(run('write', {}, [about('a')], context(teacher))).rejects.toThrow(/data.keep/);
    await expect(run('expand', { to: 9 }, [about('a', 'law')], context(teacher))).rejects.toThrow(/expand/);
  });
  it('all answer every row, and steps choose', async () => {
    const teacher = severalWriters([{ writer: law }, { writer: rest }, { writer: also }]);
    const r = await run('write', {}, [about('a')], context(teacher));
    expect(r.kept.map((k) => k.response)).toEqual(['law: a', 'rest: a', 'also: a']);
    const scores = ['1', '4', '4'].map((s, i) => ({ writer: { ...ruled(() => s), id: `judge ${i}` } }));
    const judged = await run('judge', {}, [row('q', 'text')], context(severalWriters(scores)));
    expect(judged.kept[0].facts!.score).toBe(3);
  });
});
