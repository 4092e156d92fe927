import { describe, expect, it } from 'vitest';
import type { Example } from '../data/types.ts';
import { array } from '../graph/index.ts';
import { severalTeachers } from './several.ts';
import { defineTeacher, exampleKey } from './teacher.ts';

const classes = ['a', 'b'];
const sure = (name: string, p: number) => {
  const asked: string[] = [];
  return {
    asked,
    teacher: defineTeacher({
      name,
      id: name,
      classes,
      logits: async (examples) => {
        asked.push(...examples.map((e) => e.text!));
        // shifted: logits, not log-probabilities
        return array(examples.map(() => [Math.log(p) + 3, Math.log(1 - p) + 3]));
      },
    }),
  };
};
const row = (text: string, domain?: string): Example => ({
  file: 'x.csv',
  line: 7,
  text,
  ...(domain === undefined ? {} : { meta: { domain } }),
});
const probabilities = async (teacher: ReturnType<typeof severalTeachers>, rows: Example[]) =>
  Array.from((await teacher.logits!(rows)).data as Float32Array, Math.exp);

describe('several teachers', () => {
  it('are averaged by weight in probabilities', async () => {
    const [x, y] = [sure('x', 0.9), sure('y', 0.1)];
    const both = severalTeachers(
      [
        { teacher: x.teacher, weight: 3 },
        { teacher: y.teacher, weight: 1 },
      ],
      { classes },
    );
    const p = await probabilities(both, [row('one'), row('two')]);
    for (const [i, want] of [0.7, 0.3, 0.7, 0.3].entries()) expect(p[i]).toBeCloseTo(want, 5);
    expect(both.keyOf!(row('one'))).toEqual(exampleKey(row('one')));
  });

  it('answer the rows of their domain, and the general one the rest', async () => {
    const [bank, shop, general] = [sure('bank', 0.9), sure('shop', 0.2), sure('general', 0.6)];
    const routed = severalTeachers(
      [
        { teacher: bank.teacher, for: ['bank', 'cards'], weight: 1 },
        { teacher: shop.teacher, for: ['shop'], weight: 1 },
        { teacher: general.teacher, weight: 1 },
      ],
      { by: 'domain', classes },
    );
    const rows = [row('1', 'shop'), row('2', 'bank'), row('3', 'weather'), row('4', 'cards')];
    const p = await probabilities(routed, rows);
    for (const [i, want] of [0.2, 0.9, 0.6, 0.9].entries()) expect(p[2 * i]).toBeCloseTo(want, 5);
    expect([bank.asked, shop.asked, general.asked]).toEqual([['2', '4'], ['1'], ['3']]);
    // the same text in another domain is another question
    expect(routed.keyOf!(row('1', 'shop'))).not.toEqual(routed.keyOf!(row('1', 'bank')));
  });

  it('say whose rows nobody answers', async () => {
    const [bank, shop] = [sure('bank', 0.9), sure('shop', 0.2)];
    const members = [
      { teacher: bank.teacher, for: ['bank'], weight: 1 },
      { teacher: shop.teacher, for: ['shop'], weight: 1 },
    ];
    const routed = severalTeachers(members, { by: 'domain', classes });
    await expect(routed.logits!([row('1', 'weather')])).rejects.toThrow(/x\.csv:7.*weather.*bank, shop/s);
    await expect(routed.logits!([row('1')])).rejects.toThrow(/add domain to data.keep/);
    expect(() => severalTeachers(members, { classes })).toThrow(/teacher\.by/);
  });
});
