import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../data/tokenizer/train.ts';
import { toNumbers } from '../graph/index.ts';
import { languageSource, tokenRows } from './language.ts';

const files = trainTokenizer('char', ['abcdefgh'], { vocabSize: 32 });
const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
const eos = tokenizer.special.eos!;
const at = { file: 'x', line: 1 };
const id = (c: string): number => tokenizer.id(c)!;
const ids = (text: string): number[] => [...text].map(id);

describe('tokenRows', () => {
  it('learns a text from its first token to the end mark', () => {
    const rows = tokenRows([{ ...at, text: 'abc' }], { tokenizer, maxLength: 8 });
    expect(rows.rows).toEqual([{ ids: [eos, ...ids('abc'), eos], learned: [0, 1, 1, 1, 1], example: 0 }]);
    expect([...toNumbers(rows.labels([0])).slice(0, 4)]).toEqual([...ids('abc'), eos]);
  });

  it('cuts long texts into rows that share one token, so that every token is learned once', () => {
    const rows = tokenRows([{ ...at, text: 'abcdefgh' }], { tokenizer, maxLength: 3 });
    expect(rows.rows.map((r) => r.ids)).toEqual([[eos, ...ids('abc')], ids('cdef'), [...ids('fgh'), eos]]);
    const learned = rows.rows.flatMap((r) => r.ids.filter((_, i) => r.learned[i]));
    expect(learned).toEqual([...ids('abcdefgh'), eos]);
  });

  it('learns only the response of a prompt, and leaves out rows without one', () => {
    const rows = tokenRows(
      [
        { ...at, prompt: 'ab', response: 'c' },
        { ...at, prompt: 'ab' },
        { ...at, prompt: '', response: 'd' },
      ],
      { tokenizer, maxLength: 8 },
    );
    expect(rows.rows).toEqual([
      { ids: [...ids('abc'), eos], learned: [0, 0, 1, 1], example: 0 },
      { ids: [eos, id('d'), eos], learned: [0, 1, 1], example: 2 },
    ]);
  });
});

describe('languageSource', () => {
  it('pads on the right and masks what is not learned', async () => {
    const rows = tokenRows(
      [
        { ...at, text: 'abc' },
        { ...at, prompt: 'a', response: 'b' },
      ],
      { tokenizer, maxLength: 4 },
    );
    const batch = await languageSource(rows).collate([0, 1]);
    expect(batch['input/input_ids'].shape).toEqual([2, 4]);
    expect([...toNumbers(batch['input/attention_mask'])]).toEqual([1, 1, 1, 1, 1, 1, 0, 0]);
    expect([...toNumbers(batch['mask/tokens'])]).toEqual([1, 1, 1, 1, 1, 1, 0, 0]);
    expect([...toNumbers(batch.labels)].slice(4)).toEqual([id('b'), eos, -100, -100]);
    expect(languageSource(rows).lengths).toEqual([4, 2]);
  });
});
