import { describe, expect, it } from 'vitest';
import { folderWith } from '../data/testing/files.ts';
import { describeFolder } from './describe-folder.ts';
import type { PairingNeeds } from './pairing.ts';
import { parseRecipe } from './parse.ts';
import { isChecked, pairRecipe, requireMethod } from './recipe-pairing.ts';

const methods: Record<string, PairingNeeds> = {
  kd: {
    tasks: ['classify', 'generate'],
    signals: [['logits'], ['topk']],
    labels: 'optional',
    sameVocabulary: true,
  },
  text: { tasks: ['generate'], signals: [['text']], labels: 'unused', sameVocabulary: false },
  none: { tasks: ['classify', 'generate'], signals: [], labels: 'required', sameVocabulary: false },
};
const bert = (labels: string[], more: object = {}) =>
  JSON.stringify({
    architectures: ['BertForSequenceClassification'],
    id2label: Object.fromEntries(labels.map((l, i) => [i, l])),
    hidden_size: 8,
    num_hidden_layers: 2,
    max_position_embeddings: 64,
    ...more,
  });
const tokens = ['<pad>', '</s>', 'a', 'b'];
const tokenizer = (list = tokens) =>
  JSON.stringify({
    model: { vocab: Object.fromEntries(list.slice(1).map((t, i) => [t, i + 1])) },
    added_tokens: [{ id: 0, content: list[0] }],
  });
const lm = (vocab: number) =>
  JSON.stringify({
    architectures: ['LlamaForCausalLM'],
    vocab_size: vocab,
    hidden_size: 8,
    num_hidden_layers: 1,
  });
const settings = JSON.stringify({
  eos_token: '</s>',
  pad_token: { content: '<pad>' },
  chat_template: '{{ x }}',
});

const pair = (baseDir: string, recipe: object, classes?: string[]) =>
  pairRecipe({
    recipe: parseRecipe(
      JSON.stringify({
        version: 1,
        task: 'classify',
        data: { train: 'x.csv' },
        student: { architecture: 'bert' },
        method: 'kd',
        ...recipe,
      }),
      { file: 'r.yaml' },
    ).recipe,
    baseDir,
    classes,
    labels: true,
    methods,
  });

describe('describeFolder', () => {
  it('reads classes, tokenizer, limits and signals without weights', () => {
    const folder = folderWith({
      'config.json': lm(16),
      'tokenizer.json': tokenizer(),
      'tokenizer_config.json': settings,
    });
    expect(describeFolder(folder, 'm')).toEqual({
      name: 'm',
      output: 'tokens',
      width: 16,
      tokenizer: {
        tokens,
        special: { eos: { id: 1, token: '</s>' }, pad: { id: 0, token: '<pad>' } },
        chatTemplate: '{{ x }}',
      },
      signals: { text: true, logits: true, topk: 16, hidden: [8] },
    });
    expect(describeFolder(folderWith({ 'config.json': bert(['x', 'y']) }))).toMatchObject({
      output: 'classes',
      width: 2,
      classes: ['x', 'y'],
      maxLength: 64,
      signals: { hidden: [8, 8] },
    });
    expect(
      describeFolder(folderWith({ 'config.json': bert(['LABEL_0', 'LABEL_1']) })).classes,
    ).toBeUndefined();
  });
  it('says what is wrong with a folder that is none', () => {
    expect(() => describeFolder(folderWith())).toThrow(/no config\.json in this folder/);
    expect(() => describeFolder('/no/such')).toThrow(/no such folder/);
    expect(() => describeFolder(folderWith({ 'config.json': '{' }))).toThrow(/config\.json: not valid JSON/);
    expect(() => describeFolder(folderWith({ 'config.json': '{}' }))).toThrow(/names no architecture/);
  });
});

describe('pairRecipe', () => {
  it('accepts a teacher trained in place, and one whose classes stand in another order', () => {
    const trained = pair('/', { teacher: { kind: 'trained', architecture: 'bert' } }, ['x', 'y']);
    expect(isChecked(trained) && trained.usable).toEqual(['kd', 'none']);
    const folder = folderWith({ 'teacher/config.json': bert(['y', 'x']) });
    const other = pair(folder, { teacher: { kind: 'folder', path: 'teacher' } }, ['x', 'y']);
    expect(isChecked(other) && [...other.outputMap!]).toEqual([1, 0]);
  });
  it('refuses a method that does not fit, and names those that would', () => {
    const folder = folderWith({ 'teacher/config.json': bert(['x', 'z']) });
    const report = pair(folder, { teacher: { kind: 'folder', path: 'teacher' } }, ['x', 'y']);
    expect(() => requireMethod(report, 'kd')).toThrow(
      /kd does not fit this pair: the teacher does not know 1 of the student's 2 classes \("y"\); allowed: none/,
    );
    expect(() => requireMethod(report, 'none')).not.toThrow();
  });
  it('trims padded rows of language models and refuses other vocabularies', () => {
    const folder = folderWith({
      't/config.json': lm(16),
      't/tokenizer.json': tokenizer(),
      's/config.json': lm(4),
      's/tokenizer.json': tokenizer(),
      'o/config.json': lm(4),
      'o/tokenizer.json': tokenizer(['<pad>', '</s>', 'x', 'y']),
    });
    const lmPair = (student: object) =>
      pair(folder, { task: 'generate', teacher: { kind: 'folder', path: 't' }, student });
    const padded = lmPair({ from: 's' });
    expect(isChecked(padded) && [padded.trims, padded.usable]).toEqual([
      [{ side: 'teacher', from: 16, to: 4 }],
      ['kd', 'text', 'none'],
    ]);
    const other = lmPair({ from: 'o' });
    expect(() => requireMethod(other, 'kd')).toThrow(/different vocabularies.*allowed: text, none/);
    const own = lmPair({ architecture: 'llama' });
    expect(() => requireMethod(own, 'kd')).toThrow(
      /the student's tokenizer is trained in the run, the other one exists; take both from the same place/,
    );
  });
  it('takes equal tokenizer settings for the same tokenizer', () => {
    const both = (kind: string) =>
      pair('/', {
        task: 'generate',
        teacher: { kind: 'trained', architecture: 'llama', tokenizer: { kind } },
        student: { architecture: 'llama', tokenizer: { kind: 'char' } },
      });
    const [same, other] = [both('char'), both('bpe')];
    expect(isChecked(same) && same.usable).toContain('kd');
    expect(() => requireMethod(other, 'kd')).toThrow(/tokenizers are trained with different settings/);
  });
  it('does not pretend to know what only a run can see', () => {
    expect(pair('/', { teacher: { kind: 'api', model: 'm' } }, ['x', 'y'])).toEqual({
      unchecked: expect.stringContaining('API'),
    });
    expect(pair('/', { teacher: { kind: 'hub', model: 'o/n' } }, ['x', 'y'])).toHaveProperty('unchecked');
    expect(() => pair(folderWith(), { teacher: { kind: 'onnx', path: 't.onnx' } }, ['x', 'y'])).toThrow(
      /no such ONNX file/,
    );
  });
});
