import { bert, type Case, checkBadInput, plan, taught } from './check.ts';

const cases: Case[] = [
  {
    what: 'teacher folder that is not there',
    files: taught('{kind: folder, path: teacher}'),
    args: plan,
    says: /teacher: no such folder; fix: name a model folder/,
    exit: 5,
  },
  {
    what: 'teacher folder without config.json',
    files: { ...taught('{kind: folder, path: teacher}'), 'teacher/model.safetensors': 'x' },
    args: plan,
    says: /no config\.json in this folder/,
    exit: 5,
  },
  {
    what: 'teacher folder with a broken config.json',
    files: { ...taught('{kind: folder, path: teacher}'), 'teacher/config.json': '{"architectures": [' },
    args: plan,
    says: /teacher\/config\.json: not valid JSON/,
    exit: 5,
  },
  {
    what: 'config.json without an architecture',
    files: { ...taught('{kind: folder, path: teacher}'), 'teacher/config.json': '{}' },
    args: plan,
    says: /config\.json names no architecture; allowed: /,
    exit: 5,
  },
  {
    what: 'tokenizer.json that is no JSON',
    files: {
      ...taught('{kind: folder, path: teacher}'),
      'teacher/config.json': bert(['card', 'transfer']),
      'teacher/tokenizer.json': 'x',
    },
    args: plan,
    says: /teacher\/tokenizer\.json: not valid JSON/,
    exit: 5,
  },
  {
    what: 'ONNX teacher that is not there',
    files: taught('{kind: onnx, path: teacher.onnx}'),
    args: plan,
    says: /teacher\.onnx: no such ONNX file/,
    exit: 5,
  },
  {
    what: 'teacher of other classes',
    files: { ...taught('{kind: folder, path: teacher}'), 'teacher/config.json': bert(['card', 'loan']) },
    args: plan,
    says: /recipe\.yaml method: kd does not fit this pair: the teacher does not know 1 of the student's 2 classes \("transfer"\); allowed: supervised/,
    exit: 6,
  },
  {
    what: 'teacher whose classes are spelt otherwise',
    files: { ...taught('{kind: folder, path: teacher}'), 'teacher/config.json': bert(['Card', 'Transfer']) },
    args: plan,
    says: /they differ only in spelling, so give data\.classes the names of the teacher/,
    exit: 6,
  },
  {
    what: 'teacher without class names',
    files: {
      ...taught('{kind: folder, path: teacher}'),
      'teacher/config.json': bert(['LABEL_0', 'LABEL_1']),
    },
    args: plan,
    says: /does not name its 2 classes.*list them in teacher\.classes/,
    exit: 6,
  },
  {
    what: 'language model as the teacher of a classifier',
    files: {
      ...taught('{kind: folder, path: teacher}'),
      'teacher/config.json': '{"architectures": ["LlamaForCausalLM"], "vocab_size": 9}',
    },
    args: plan,
    says: /the teacher puts out next-token scores, the student class scores/,
    exit: 6,
  },
];

checkBadInput('models and their pairing', cases);
