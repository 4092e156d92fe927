import { describe, expect, it } from 'vitest';
import type { ModelDescriptor, TokenizerDescriptor } from './descriptor.ts';
import { checkPairing, type PairingNeeds } from './pairing.ts';

const need = (signals: PairingNeeds['signals'], more: Partial<PairingNeeds> = {}): PairingNeeds => ({
  tasks: ['classify', 'generate'],
  signals,
  labels: 'optional',
  sameVocabulary: true,
  ...more,
});

const methods = {
  none: need([], { labels: 'required' }),
  kd: need([['logits'], ['topk']]),
  dense: need([['logits']]),
  top20: need([['topk']], { leastK: 20 }),
  crossed: need([['logits']], { sameVocabulary: false }),
  text: need([['text']], { sameVocabulary: false }),
  hint: need([['hidden']], { sameVocabulary: false }),
  raw: need([['hidden']], { sameVocabulary: false, sameHidden: true }),
  reward: need([['score']], { tasks: ['prefer'], sameVocabulary: false }),
};

const words = ['<pad>', '<s>', '</s>', 'the', 'card', 'money', 'late'];
const vocabulary = (tokens = words, more: Partial<TokenizerDescriptor> = {}): TokenizerDescriptor => ({
  tokens,
  special: { pad: { id: 0, token: '<pad>' }, bos: { id: 1, token: '<s>' }, eos: { id: 2, token: '</s>' } },
  chatTemplate: '{{ messages }}',
  probe: [['the', 'card']],
  ...more,
});
const lm = (more: Partial<ModelDescriptor> = {}): ModelDescriptor => ({
  name: 'lm',
  output: 'tokens',
  width: words.length,
  tokenizer: vocabulary(),
  maxLength: 512,
  signals: { text: true, logits: true, hidden: [64, 64] },
  ...more,
});
const classes = ['late', 'lost', 'stolen'];
const classifier = (more: Partial<ModelDescriptor> = {}): ModelDescriptor => ({
  name: 'classifier',
  output: 'classes',
  width: 3,
  classes,
  signals: { logits: true, hidden: [32] },
  ...more,
});

const generate = { task: 'generate', labels: true };
const classify = { task: 'classify', labels: true };
const check = (teacher: ModelDescriptor | undefined, student: ModelDescriptor, context = generate) => {
  const report = checkPairing(teacher, student, methods, context);
  return { report, of: (name: keyof typeof methods) => report.methods.find((m) => m.method === name)! };
};

interface Case {
  what: string;
  teacher: ModelDescriptor | undefined;
  student: ModelDescriptor;
  context?: typeof generate;
  method: keyof typeof methods;
  verdict: 'legal' | 'adapted' | 'illegal';
  reason: RegExp;
  /** Methods that must stay usable all the same. */
  usable: string[];
}

const mismatches: Case[] = [
  {
    what: 'padded rows of the teacher',
    teacher: lm({ width: 16 }),
    student: lm(),
    method: 'dense',
    verdict: 'adapted',
    reason: /teacher's last 9 rows \(7 to 15\) belong to no token: trimmed/,
    usable: ['none', 'kd', 'dense', 'text'],
  },
  {
    what: 'padded rows on both sides, to different multiples',
    teacher: lm({ width: 128 }),
    student: lm({ width: 64 }),
    method: 'kd',
    verdict: 'adapted',
    reason: /student's last 57 rows/,
    usable: ['kd', 'top20'],
  },
  {
    what: 'another vocabulary',
    teacher: lm({ tokenizer: vocabulary(['<pad>', '<s>', '</s>', 'th', 'e', 'mon', 'ey']) }),
    student: lm(),
    method: 'kd',
    verdict: 'illegal',
    reason:
      /different vocabularies: 4 of the first 7 ids.*id 3 is "th" for the teacher and "the" for the student.*3 of the student's 7/,
    usable: ['none', 'crossed', 'text', 'hint', 'raw'],
  },
  {
    what: 'the same tokens under other ids',
    teacher: lm({ tokenizer: vocabulary(['<pad>', '<s>', '</s>', 'late', 'the', 'card', 'money']) }),
    student: lm(),
    method: 'dense',
    verdict: 'adapted',
    reason: /same 7 tokens under other ids.*re-ordered/,
    usable: ['kd', 'dense', 'text'],
  },
  {
    what: 'tokens added to the teacher',
    teacher: lm({ width: 9, tokenizer: vocabulary([...words, '<tool>', '<think>']) }),
    student: lm(),
    method: 'dense',
    verdict: 'adapted',
    reason: /same first 7 tokens; the teacher's 2 added ones \("<tool>", "<think>"\)/,
    usable: ['kd', 'dense'],
  },
  {
    what: 'equal vocabularies that split text differently',
    teacher: lm({ tokenizer: vocabulary(words, { probe: [['the', 'ca', 'rd']] }) }),
    student: lm(),
    method: 'kd',
    verdict: 'illegal',
    reason: /agree but the tokenizers split text differently \(the\|ca\|rd and the\|card\)/,
    usable: ['crossed', 'text'],
  },
  {
    what: 'more tokens than rows',
    teacher: lm({ width: 5 }),
    student: lm(),
    method: 'kd',
    verdict: 'illegal',
    reason: /teacher's tokenizer has 7 tokens for 5 outputs: ids from 5 on have no row/,
    usable: ['text'],
  },
  {
    what: 'another end of text',
    teacher: lm({
      tokenizer: vocabulary(words, { special: { ...vocabulary().special, eos: { id: 1, token: '<s>' } } }),
    }),
    student: lm(),
    method: 'kd',
    verdict: 'adapted',
    reason: /texts end with "<s>" for the teacher and "<\/s>" for the student/,
    usable: ['kd'],
  },
  {
    what: 'another chat template',
    teacher: lm({ tokenizer: vocabulary(words, { chatTemplate: '[INST] {{ x }}' }) }),
    student: lm(),
    method: 'kd',
    verdict: 'adapted',
    reason: /chat templates differ.*only the tokens of responses/,
    usable: ['kd', 'text'],
  },
  {
    what: 'a teacher with a shorter input',
    teacher: lm({ maxLength: 128 }),
    student: lm(),
    method: 'kd',
    verdict: 'adapted',
    reason: /teacher takes 128 tokens, the student 512: both are given at most 128/,
    usable: ['kd'],
  },
  {
    what: 'a teacher without a tokenizer',
    teacher: lm({ tokenizer: undefined }),
    student: lm(),
    method: 'dense',
    verdict: 'illegal',
    reason: /teacher comes without a tokenizer/,
    usable: ['text', 'hint'],
  },
  {
    what: 'an API teacher that gives text only',
    teacher: lm({ signals: { text: true } }),
    student: lm(),
    method: 'kd',
    verdict: 'illegal',
    reason: /needs logits, or topk from the teacher, which gives text$/,
    usable: ['none', 'text'],
  },
  {
    what: 'an API teacher with too small a k',
    teacher: lm({ signals: { text: true, topk: 5 } }),
    student: lm(),
    method: 'top20',
    verdict: 'illegal',
    reason: /needs topk\(20\) from the teacher, which gives text, topk\(5\)/,
    usable: ['kd', 'text'],
  },
  {
    what: 'a language model for a classifier',
    teacher: lm(),
    student: classifier(),
    context: classify,
    method: 'kd',
    verdict: 'illegal',
    reason: /teacher puts out next-token scores, the student class scores/,
    usable: ['none', 'text', 'hint'],
  },
  {
    what: 'classes in another order',
    teacher: classifier({ classes: ['stolen', 'late', 'lost'] }),
    student: classifier(),
    context: classify,
    method: 'dense',
    verdict: 'adapted',
    reason: /same 3 classes in another order: the teacher's are re-ordered/,
    usable: ['kd', 'dense'],
  },
  {
    what: 'classes that differ in spelling only',
    teacher: classifier({ classes: ['Late', 'Lost', 'Stolen'] }),
    student: classifier(),
    context: classify,
    method: 'kd',
    verdict: 'illegal',
    reason: /does not know 3 of the student's 3 classes.*differ only in spelling/,
    usable: ['none', 'hint'],
  },
  {
    what: 'a teacher that lacks a class',
    teacher: classifier({ width: 2, classes: ['late', 'lost'] }),
    student: classifier(),
    context: classify,
    method: 'kd',
    verdict: 'illegal',
    reason: /does not know 1 of the student's 3 classes \("stolen"\)/,
    usable: ['none'],
  },
  {
    what: 'a teacher with further classes',
    teacher: classifier({ width: 5, classes: [...classes, 'fee', 'limit'] }),
    student: classifier(),
    context: classify,
    method: 'kd',
    verdict: 'adapted',
    reason: /2 further classes \("fee", "limit"\): they are left out and the rest is renormalized/,
    usable: ['kd'],
  },
  {
    what: 'a class list of the wrong length',
    teacher: classifier({ classes: ['late', 'lost'] }),
    student: classifier(),
    context: classify,
    method: 'kd',
    verdict: 'illegal',
    reason: /the teacher names 2 classes for 3 outputs/,
    usable: ['none'],
  },
  {
    what: 'a teacher without class names',
    teacher: classifier({ classes: undefined }),
    student: classifier(),
    context: classify,
    method: 'kd',
    verdict: 'illegal',
    reason: /does not name its 3 classes, so their order cannot be checked; list them in teacher\.classes/,
    usable: ['none'],
  },
  {
    what: 'hidden layers of different widths',
    teacher: classifier({ signals: { logits: true, hidden: [128] } }),
    student: classifier(),
    context: classify,
    method: 'raw',
    verdict: 'illegal',
    reason: /hidden layers are 128 and 32 wide and the method compares them as they are/,
    usable: ['kd', 'hint'],
  },
  {
    what: 'no teacher at all',
    teacher: undefined,
    student: classifier(),
    context: classify,
    method: 'kd',
    verdict: 'illegal',
    reason: /needs a teacher, and the recipe has none/,
    usable: ['none'],
  },
  {
    what: 'rows without labels',
    teacher: classifier(),
    student: classifier(),
    context: { task: 'classify', labels: false },
    method: 'none',
    verdict: 'illegal',
    reason: /needs labels, and the training rows have none/,
    usable: ['kd'],
  },
  {
    what: 'a method of another task',
    teacher: classifier(),
    student: classifier(),
    context: classify,
    method: 'reward',
    verdict: 'illegal',
    reason: /serves prefer, not classify/,
    usable: ['kd'],
  },
];

describe('checkPairing', () => {
  it('finds nothing to say about an equal pair', () => {
    const { report, of } = check(lm(), lm());
    expect(report.facts.every((f) => f.state === 'same')).toBe(true);
    expect(report.trims).toEqual([]);
    expect(of('kd')).toEqual({ method: 'kd', verdict: 'legal', reasons: [], signals: ['logits'] });
    expect(report.usable).not.toContain('reward');
  });

  it.each(mismatches)(
    '$what: $method is $verdict',
    ({ teacher, student, context, method, verdict, reason, usable }) => {
      const { report, of } = check(teacher, student, context);
      expect(of(method).verdict).toBe(verdict);
      expect(of(method).reasons.join('\n')).toMatch(reason);
      expect(report.usable).toEqual(expect.arrayContaining(usable));
      expect(report.usable.includes(method)).toBe(verdict !== 'illegal');
    },
  );

  it('trims to the rows that have a token and maps outputs by name', () => {
    expect(check(lm({ width: 16 }), lm({ width: 8 })).report.trims).toEqual([
      { side: 'teacher', from: 16, to: 7 },
      { side: 'student', from: 8, to: 7 },
    ]);
    const reordered = check(
      classifier({ classes: ['stolen', 'late', 'lost'] }),
      classifier(),
      classify,
    ).report;
    expect([...reordered.outputMap!]).toEqual([1, 2, 0]);
    const added = check(lm(), lm({ width: 8, tokenizer: vocabulary([...words, '<new>']) })).report;
    expect([...added.outputMap!]).toEqual([0, 1, 2, 3, 4, 5, 6, -1]);
  });

  it('takes top-k from full logits, and says when inputs must be cut', () => {
    expect(check(lm(), lm()).of('top20')).toMatchObject({ verdict: 'legal', signals: ['topk'] });
    const long = checkPairing(lm(), lm(), methods, { ...generate, longest: 900 });
    expect(long.facts.map((f) => f.message)).toContain(
      'the longest input has 900 tokens: inputs are cut to 512 for both models',
    );
  });
});
