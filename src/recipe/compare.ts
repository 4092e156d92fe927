import type { ModelDescriptor, TokenizerDescriptor } from './descriptor.ts';

/** Part of the pair that a fact is about. */
export type Subject =
  | 'outputs'
  | 'classes'
  | 'vocabulary'
  | 'special'
  | 'template'
  | 'length'
  | 'padding'
  | 'hidden';

/** One thing that was compared. `adapted` differences are bridged without loss or as the message says; `blocked` ones are not. */
export interface Fact {
  subject: Subject;
  state: 'same' | 'adapted' | 'blocked';
  message: string;
}

export interface Comparison {
  facts: Fact[];
  /** Rows of the logits that no token uses, cut off before anything is compared. */
  trims: { side: 'teacher' | 'student'; from: number; to: number }[];
  /** Teacher output for each student output: `map[student] = teacher`, -1 where the teacher has none. Absent when equal. */
  outputMap?: Int32Array;
  /** Longest input both models take, in tokens. */
  maxLength?: number;
}

/** Compares what two models put out: classes by name, tokens by id, string, special role and template. */
export function compareModels(teacher: ModelDescriptor, student: ModelDescriptor): Comparison {
  const result: Comparison = { facts: [], trims: [] };
  compareLength(teacher, student, result);
  if (teacher.output !== student.output) {
    const names = {
      classes: 'class scores',
      tokens: 'next-token scores',
      embedding: 'an embedding',
      score: 'a single score',
      sample: 'samples',
    };
    result.facts.push({
      subject: 'outputs',
      state: 'blocked',
      message: `the teacher puts out ${names[teacher.output]}, the student ${names[student.output]}`,
    });
    return result;
  }
  if (student.output === 'classes') compareClasses(teacher, student, result);
  else if (student.output === 'tokens') compareTokens(teacher, student, result);
  else if (student.output === 'embedding' && teacher.width !== student.width)
    result.facts.push({
      subject: 'outputs',
      state: 'adapted',
      message: `embeddings are ${teacher.width} and ${student.width} wide: compared by similarities, or through a projection`,
    });
  else
    result.facts.push({
      subject: 'outputs',
      state: 'same',
      message: `both put out ${student.width} number${student.width === 1 ? '' : 's'}`,
    });
  return result;
}

function compareLength(teacher: ModelDescriptor, student: ModelDescriptor, result: Comparison): void {
  if (teacher.maxLength === undefined || student.maxLength === undefined) return;
  result.maxLength = Math.min(teacher.maxLength, student.maxLength);
  if (teacher.maxLength === student.maxLength) return;
  const shorter = teacher.maxLength < student.maxLength ? 'teacher' : 'student';
  result.facts.push({
    subject: 'length',
    state: 'adapted',
    message: `the teacher takes ${teacher.maxLength} tokens, the student ${student.maxLength}: both are given at most ${result.maxLength}, the ${shorter}'s limit`,
  });
}

const some = (names: readonly string[]): string =>
  names
    .slice(0, 4)
    .map((n) => JSON.stringify(n))
    .join(', ') + (names.length > 4 ? ` and ${names.length - 4} more` : '');

function compareClasses(teacher: ModelDescriptor, student: ModelDescriptor, result: Comparison): void {
  const add = (state: Fact['state'], message: string) =>
    result.facts.push({ subject: 'classes', state, message });
  for (const [side, model] of [
    ['teacher', teacher],
    ['student', student],
  ] as const)
    if (model.classes && model.classes.length !== model.width)
      return void add(
        'blocked',
        `the ${side} names ${model.classes.length} classes for ${model.width} outputs`,
      );
  const [t, s] = [teacher.classes, student.classes];
  if (!t || !s) {
    const side =
      !t && !s ? 'neither model names' : !t ? 'the teacher does not name' : 'the student does not name';
    if (teacher.width !== student.width)
      return void add(
        'blocked',
        `${side} its classes, and there are ${teacher.width} and ${student.width} of them`,
      );
    return void add(
      'blocked',
      `${side} its ${teacher.width} classes, so their order cannot be checked; list them in teacher.classes and data.classes`,
    );
  }
  if (t.every((name, i) => name === s[i]) && t.length === s.length)
    return void add('same', `the same ${s.length} classes in the same order`);
  const map = Int32Array.from(s, (name) => t.indexOf(name));
  const absent = s.filter((_, i) => map[i] < 0);
  const extra = t.filter((name) => !s.includes(name));
  if (absent.length === 0) {
    result.outputMap = map;
    return void add(
      'adapted',
      extra.length === 0
        ? `the same ${s.length} classes in another order: the teacher's are re-ordered`
        : `the teacher has ${extra.length} further classes (${some(extra)}): they are left out and the rest is renormalized`,
    );
  }
  const plain = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');
  const spelled = absent.filter((name) => t.some((other) => plain(other) === plain(name)));
  const hint =
    spelled.length === absent.length
      ? '; they differ only in spelling, so give data.classes the names of the teacher'
      : '';
  add(
    'blocked',
    `the teacher does not know ${absent.length} of the student's ${s.length} classes (${some(absent)})${hint}`,
  );
}

function compareTokens(teacher: ModelDescriptor, student: ModelDescriptor, result: Comparison): void {
  const [t, s] = [teacher.tokenizer, student.tokenizer];
  const add = (subject: Subject, state: Fact['state'], message: string) =>
    result.facts.push({ subject, state, message });
  if (!t || !s) {
    add(
      'vocabulary',
      'blocked',
      `the ${!t ? 'teacher' : 'student'} comes without a tokenizer, so ids cannot be compared`,
    );
    return;
  }
  if (t.trained !== undefined || s.trained !== undefined) {
    const state = t.trained === s.trained ? 'same' : 'blocked';
    const both = t.trained !== undefined && s.trained !== undefined;
    const why = both
      ? 'the tokenizers are trained with different settings'
      : `the ${t.trained === undefined ? 'student' : 'teacher'}'s tokenizer is trained in the run, the other one exists; take both from the same place (tokenizer.from)`;
    add('vocabulary', state, state === 'same' ? 'both use one tokenizer, trained in the run' : why);
    return;
  }
  for (const [side, model, tokenizer] of [
    ['teacher', teacher, t],
    ['student', student, s],
  ] as const) {
    const used = tokenizer.tokens.length;
    if (model.width > used) {
      result.trims.push({ side, from: model.width, to: used });
      add(
        'padding',
        'adapted',
        `the ${side}'s last ${model.width - used} rows (${used} to ${model.width - 1}) belong to no token: trimmed`,
      );
    } else if (model.width < used) {
      add(
        'vocabulary',
        'blocked',
        `the ${side}'s tokenizer has ${used} tokens for ${model.width} outputs: ids from ${model.width} on have no row`,
      );
      return;
    }
  }
  compareVocabulary(t, s, result);
  compareSpecial(t, s, result);
  if ((t.chatTemplate ?? '') !== (s.chatTemplate ?? '')) {
    const message =
      t.chatTemplate && s.chatTemplate
        ? 'chat templates differ: each model sees the prompt in its own, only the tokens of responses are compared'
        : `only the ${t.chatTemplate ? 'teacher' : 'student'} has a chat template: the other sees plain prompts, only the tokens of responses are compared`;
    add('template', 'adapted', message);
  }
}

function compareVocabulary(t: TokenizerDescriptor, s: TokenizerDescriptor, result: Comparison): void {
  const add = (state: Fact['state'], message: string) =>
    result.facts.push({ subject: 'vocabulary', state, message });
  const splits =
    t.probe && s.probe
      ? t.probe.findIndex((tokens, i) => tokens.join('\u0000') !== s.probe?.[i]?.join('\u0000'))
      : -1;
  const common = Math.min(t.tokens.length, s.tokens.length);
  let differing = 0;
  let first = -1;
  for (let id = 0; id < common; id++) {
    if (t.tokens[id] === s.tokens[id]) continue;
    differing++;
    if (first < 0) first = id;
  }
  if (differing === 0) {
    if (splits >= 0)
      return void add(
        'blocked',
        `the vocabularies agree but the tokenizers split text differently (${show(t.probe![splits])} and ${show(s.probe![splits])})`,
      );
    if (t.tokens.length === s.tokens.length) return void add('same', `the same ${common} tokens`);
    const side = t.tokens.length > s.tokens.length ? 'teacher' : 'student';
    const more = Math.abs(t.tokens.length - s.tokens.length);
    result.outputMap = Int32Array.from({ length: s.tokens.length }, (_, id) => (id < common ? id : -1));
    return void add(
      'adapted',
      `the same first ${common} tokens; the ${side}'s ${more} added ones (${some(((side === 'teacher' ? t : s).tokens.slice(common) as string[]).map(String))}) are left out of the comparison`,
    );
  }
  const ids = new Map<string, number>();
  t.tokens.forEach((token, id) => {
    if (token !== undefined) ids.set(token, id);
  });
  const map = Int32Array.from(s.tokens, (token) => (token === undefined ? -1 : (ids.get(token) ?? -1)));
  const shared = map.reduce((n, id) => n + (id >= 0 ? 1 : 0), 0);
  const example = `id ${first} is ${JSON.stringify(t.tokens[first])} for the teacher and ${JSON.stringify(s.tokens[first])} for the student`;
  if (shared === s.tokens.length && s.tokens.length === t.tokens.length && splits < 0) {
    result.outputMap = map;
    return void add(
      'adapted',
      `the same ${shared} tokens under other ids (${example}): the teacher's are re-ordered`,
    );
  }
  add(
    'blocked',
    `different vocabularies: ${differing} of the first ${common} ids stand for other tokens (${example}); ${shared} of the student's ${s.tokens.length} tokens exist in both`,
  );
}

const show = (tokens: readonly string[]): string =>
  tokens.slice(0, 6).join('|') + (tokens.length > 6 ? '|...' : '');

function compareSpecial(t: TokenizerDescriptor, s: TokenizerDescriptor, result: Comparison): void {
  const add = (state: Fact['state'], message: string) =>
    result.facts.push({ subject: 'special', state, message });
  const differ = (role: string): boolean => t.special[role]?.token !== s.special[role]?.token;
  const named = (d: TokenizerDescriptor, role: string): string =>
    d.special[role] ? JSON.stringify(d.special[role].token) : 'none';
  if (differ('eos'))
    add(
      'adapted',
      `texts end with ${named(t, 'eos')} for the teacher and ${named(s, 'eos')} for the student: each sees its own, and the end itself is learnt from the data, not from the teacher`,
    );
  if (differ('bos'))
    add(
      'adapted',
      `texts begin with ${named(t, 'bos')} for the teacher and ${named(s, 'bos')} for the student: positions are matched after them`,
    );
  if (differ('pad'))
    add('adapted', `padding is ${named(t, 'pad')} and ${named(s, 'pad')}: masked on both sides`);
}
