import { beforeAll, describe, expect, it } from 'vitest';
import {
  answerSpans,
  type ChatMessage,
  chatExample,
  createChatTemplate,
  splitAnswers,
} from './chat-template.ts';
import { joinMasked, promptResponse } from './prompt-response.ts';
import { createTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';
import { trainTokenizer } from './tokenizer/train.ts';

const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const BARE =
  "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }}\n{% elif m.role == 'assistant' %}A: {{ m.content }}{{ eos_token }}\n{% else %}{{ raise_exception('no role ' + m.role) }}{% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}";
/** Removes the thoughts of earlier answers, as reasoning models' templates do. */
const FORGETFUL =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}";

const chat = (...turns: [string, string][]): ChatMessage[] =>
  turns.map(([role, content]) => ({ role, content }));
const TWO = chat(
  ['system', 'Be kind.'],
  ['user', 'Hi\n'],
  ['assistant', '\nHello you'],
  ['user', 'Bye'],
  ['assistant', 'Bye!'],
);

let t: Tokenizer;
beforeAll(() => {
  const files = trainTokenizer(
    'bpe',
    Array(30).fill('Hello you\n\nhi! Bye.\n\nQ: A: user assistant system\n'),
    {
      vocabSize: 340,
      special: { eos: '<eos>', bos: '<bos>', pad: '<pad>', extra: ['<|im_start|>', '<|im_end|>'] },
    },
  );
  t = createTokenizer(files.tokenizer, files.tokenizerConfig);
});
const learned = (e: { ids: number[]; mask: number[] }): string =>
  t.decode(e.ids.filter((_, i) => e.mask[i] === 1));

describe('chat templates', () => {
  it('render messages, tools, special tokens and the generation prompt', () => {
    const c = createChatTemplate(CHATML);
    expect(c.render(chat(['user', 'Hi']), { generationPrompt: true })).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
    const b = createChatTemplate(BARE, { bos_token: '<bos>', eos_token: { content: '<eos>' } });
    expect(b.render(chat(['user', 'Hi'], ['assistant', 'Yo']))).toBe('<bos>Q: Hi\nA: Yo<eos>\n');
    const v = createChatTemplate('{{ tools[0].name }}{{ date_string }}');
    expect(v.render([], { tools: [{ name: 'f' }], variables: { date_string: '!' } })).toBe('f!');
  });

  it('leave the messages alone', () => {
    const c = createChatTemplate('{% set _ = messages.append(1) %}{{ messages|length }}');
    const messages = chat(['user', 'a']);
    try {
      c.render(messages);
    } catch {
      // a dialect without append refuses: the messages must be untouched either way
    }
    expect(messages).toEqual(chat(['user', 'a']));
  });

  it('explain what they refuse', () => {
    expect(() => createChatTemplate('{% for %}', {}, 'tokenizer_config.json')).toThrow(
      /^tokenizer_config\.json: the chat template does not compile/,
    );
    expect(() => createChatTemplate(BARE).render(chat(['tool', 'x']))).toThrow(
      /refuses these messages \(no role tool\).*seen: \["tool"\]/,
    );
  });
});

describe('answers in chats', () => {
  it('are found in every turn, or the last', () => {
    const c = createChatTemplate(CHATML);
    const { text, spans } = answerSpans(c, TWO);
    expect(spans.map((s) => text.slice(s.begin, s.end))).toEqual([
      '\nHello you<|im_end|>\n',
      'Bye!<|im_end|>\n',
    ]);
    const last = answerSpans(c, TWO, { learn: 'last' });
    expect(last.spans.map((s) => last.text.slice(s.begin, s.end))).toEqual(['Bye!<|im_end|>\n']);
    expect(() => answerSpans(c, chat(['user', 'x']))).toThrow(/no message of the assistant/);
    const open = answerSpans(c, [...TWO, { role: 'user', content: 'more' }]);
    expect(open.spans).toEqual(spans);
  });

  it('are learned up to the end of the turn, without the blank after it', () => {
    const e = chatExample(t, createChatTemplate(CHATML), TWO);
    expect(t.decode(e.ids)).toBe(e.text);
    expect(learned(e)).toBe('\nHello you<|im_end|>Bye!<|im_end|>');
    expect(e.truncated).toBe('none');
  });

  it('never share a token with the prompt, even where the two would merge', () => {
    const header = createChatTemplate(CHATML).render(TWO.slice(0, 2), { generationPrompt: true });
    const joint = t.encode(`${header}\nHello you`);
    const apart = [...t.encode(header), ...t.encode('\nHello you')];
    expect(joint).not.toEqual(apart); // "\n" + "\n" is one token: the case is a real one
    const e = chatExample(t, createChatTemplate(CHATML), TWO);
    expect(e.ids.slice(0, apart.length)).toEqual(apart);
  });

  it('may have an eos inside plain templates', () => {
    const c = createChatTemplate(BARE, t.files.tokenizerConfig);
    const e = chatExample(
      t,
      c,
      chat(['user', 'Hi'], ['assistant', 'Hello'], ['user', 'Bye'], ['assistant', '']),
    );
    expect(learned(e)).toBe('Hello<eos><eos>');
  });

  it('are refused where the template rewrites them, and can be split', () => {
    const c = createChatTemplate(FORGETFUL);
    const messages = chat(
      ['user', 'a'],
      ['assistant', '<think>x</think>b'],
      ['user', 'c'],
      ['assistant', '<think>y</think>d'],
    );
    expect(() => chatExample(t, c, messages)).toThrow(/messages\[1\].*up to 2 differently.*splitAnswers/);
    const parts = splitAnswers(messages).map((m) => chatExample(t, c, m, { learn: 'last' }));
    expect(parts.map(learned)).toEqual(['x</think>b<|im_end|>', 'y</think>d<|im_end|>']);
    expect(parts[1].text).not.toContain('x</think>');
  });

  it('may begin inside the generation prompt', () => {
    const e = chatExample(t, createChatTemplate(FORGETFUL), chat(['user', 'a'], ['assistant', 'plain']));
    expect(learned(e)).toBe('plain<|im_end|>');
  });

  it('are cut from the left', () => {
    const c = createChatTemplate(CHATML);
    const whole = chatExample(t, c, TWO);
    const e = chatExample(t, c, TWO, { maxLength: 12 });
    expect(e.ids).toEqual(whole.ids.slice(-12));
    expect(e.mask).toEqual(whole.mask.slice(-12));
    expect(e.truncated).toBe('response');
    expect(chatExample(t, c, TWO, { maxLength: whole.ids.length - 1 }).truncated).toBe('prompt');
  });
});

describe('prompts with responses', () => {
  it('are encoded apart and closed with eos', () => {
    const e = promptResponse(t, 'Q: hi\n', '\nHello');
    expect(e.ids).toEqual([...t.encode('Q: hi\n'), ...t.encode('\nHello'), t.special.eos]);
    expect(learned(e)).toBe('\nHello<eos>');
    expect(learned(promptResponse(t, 'Q', ''))).toBe('<eos>');
    expect(learned(promptResponse(t, 'Q', 'A', { addEos: false }))).toBe('A');
    expect(promptResponse(t, '', 'A').mask).toEqual([1, 1]);
  });

  it('put the begin tokens of the tokenizer first, outside the mask', () => {
    const w = trainTokenizer('wordpiece', Array(9).fill('a b c'), { vocabSize: 30 });
    const b = createTokenizer(w.tokenizer, { ...w.tokenizerConfig, eos_token: '[SEP]' });
    const { cls, sep } = b.special;
    const [a, c] = [b.id('a'), b.id('c')];
    expect(promptResponse(b, 'a', 'c')).toEqual({
      ids: [cls, a, c, sep],
      mask: [0, 0, 1, 1],
      truncated: 'none',
    });
    expect(promptResponse(b, 'a', 'c', { addSpecial: false }).ids).toEqual([a, c, sep]);
    const none = createTokenizer(w.tokenizer, w.tokenizerConfig);
    expect(promptResponse(none, 'a', 'c').ids).toEqual([cls, a, c]);
    expect(() => promptResponse(none, 'a', 'c', { addEos: true })).toThrow(/no eos token/);
  });

  it.each([
    [10, [0, 1, 2, 3, 7, 8, 9], 'none'],
    [7, [0, 1, 2, 3, 7, 8, 9], 'none'],
    [6, [0, 2, 3, 7, 8, 9], 'prompt'],
    [5, [0, 3, 7, 8, 9], 'prompt'],
    [4, [0, 3, 7, 8], 'response'],
    [3, [0, 3, 7], 'response'],
  ])('under a limit of %i lose the prompt first', (maxLength, ids, truncated) => {
    const e = joinMasked([0], [1, 2, 3], [7, 8, 9], { maxLength });
    expect(e.ids).toEqual(ids);
    expect(e.mask).toEqual(ids.map((id) => (id >= 7 ? 1 : 0)));
    expect(e.truncated).toBe(truncated);
  });

  it('need room for one learned token', () => {
    expect(() => joinMasked([0], [1], [7], { maxLength: 2 })).toThrow(/maxLength.*seen: 2.*from 3/);
    expect(joinMasked([], [1, 2], [7], { maxLength: 1, minPrompt: 0 }).ids).toEqual([7]);
    expect(joinMasked([0], [1, 2, 3], [7, 8], { maxLength: 4, minPrompt: 2 }).ids).toEqual([0, 2, 3, 7]);
  });
});
