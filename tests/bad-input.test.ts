import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../src/cli/program.ts';
import { exportOnnx } from '../src/export/onnx.ts';
import { add, array, spec, type Tensor } from '../src/graph/index.ts';
import { writeTinyClassifier, writeTinyLanguageModel } from '../src/run/testing/tiny-folders.ts';

/** One broken input: the files, the command, and what it must say and return. */
interface Case {
  what: string;
  /** Makes further files, where they are not text. */
  make?: (cwd: string) => Promise<unknown>;
  files?: Record<string, string | Uint8Array>;
  args: string[];
  env?: Record<string, string>;
  says: RegExp;
  exit: number;
}

const csv =
  'text,label\nwhere is my card,card\nsend money abroad,transfer\nthe card is lost,card\nmoney has not arrived,transfer\n';
const recipe = (change: (text: string) => string = (t) => t): Record<string, string> => ({
  'rows.csv': csv,
  'recipe.yaml': change(`version: 1
task: classify
data:
  train: rows.csv
  test: 0
  validation: 0
teacher:
  kind: trained
  architecture: bert
student:
  architecture: bert
method: kd
train:
  epochs: 3
`),
});
const plan = ['plan', 'recipe.yaml'];
const taught = (teacher: string): Record<string, string> =>
  recipe((t) => t.replace('teacher:\n  kind: trained\n  architecture: bert', `teacher: ${teacher}`));
const bert = (classes: string[]): string =>
  JSON.stringify({ architectures: ['BertForSequenceClassification'], id2label: { ...classes } });
const data = (file: string, ...more: string[]) => ['data', file, ...more];
const answer = ['predict', 'model', 'where is my card'];
const trainOn = ['run', 'recipe.yaml', '-o', 'out'];
const small = (t: string): string =>
  t
    .replaceAll('architecture: bert', 'architecture: bag')
    .replace('test: 0', 'test: 1')
    .replace('kind: trained', 'kind: trained\n  train: { steps: 1 }');
/** The student goes on from the folder `model`. */
const goesOn = recipe((t) => small(t).replace(/student:\n {2}architecture: bag/, 'student:\n  from: model'));
const folderTeaches = recipe((t) =>
  small(t).replace(
    'teacher:\n  kind: trained\n  train: { steps: 1 }\n  architecture: bag',
    'teacher: {kind: folder, path: model}',
  ),
);
/** A good classifier folder `model` of the recipe's two classes, then changed. */
const spoilt =
  (...steps: ((folder: string) => unknown)[]) =>
  async (cwd: string): Promise<void> => {
    const folder = join(cwd, 'model');
    await writeTinyClassifier(folder, ['card', 'transfer']);
    for (const step of steps) await step(folder);
  };
const without = (file: string) => (folder: string) => rmSync(join(folder, file));
const cut =
  (file: string, share = 0.5) =>
  (folder: string) => {
    const path = join(folder, file);
    truncateSync(path, Math.floor(statSync(path).size * share));
  };
const withConfig = (change: Record<string, unknown>) => (folder: string) => {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
};
const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1, 2, 3]);

const cases: Case[] = [
  // the command line
  {
    what: 'unknown command',
    args: ['pln', 'recipe.yaml'],
    says: /unknown command 'pln'[\s\S]*Did you mean plan\?/,
    exit: 2,
  },
  {
    what: 'unknown flag',
    args: ['plan', 'recipe.yaml', '--fulll'],
    says: /unknown option '--fulll'[\s\S]*--full/,
    exit: 2,
  },
  { what: 'missing argument', args: ['plan'], says: /missing required argument 'recipe'/, exit: 2 },
  {
    what: 'init over a file',
    files: recipe(),
    args: ['init', 'recipe.yaml', '-t', 'classify', '-d', 'x.csv', '-T', 'trained'],
    says: /recipe\.yaml: the file exists; fix: .*--force/,
    exit: 2,
  },
  {
    what: 'init with an unknown task',
    args: ['init', 'n.yaml', '-t', 'clasify', '-d', 'x.csv', '-T', 'trained'],
    says: /--task: unknown task; seen: "clasify".*did you mean "classify"/,
    exit: 2,
  },
  {
    what: 'init with an unknown teacher',
    args: ['init', 'n.yaml', '-t', 'classify', '-d', 'x.csv', '-T', 'gpt'],
    says: /--teacher: unknown kind of teacher; seen: "gpt"; allowed: trained, none, folder:PATH/,
    exit: 2,
  },
  {
    what: 'init without a terminal',
    args: ['init', 'n.yaml', '-t', 'classify'],
    says: /nothing can be asked; fix: give --data, --teacher/,
    exit: 2,
  },
  {
    what: 'override without a value',
    files: recipe(),
    args: [...plan, '--set', 'train.epochs'],
    says: /--set: expected path=value; seen: "train\.epochs"/,
    exit: 2,
  },
  {
    what: 'override of an unknown path',
    files: recipe(),
    args: [...plan, '--set', 'train.epoch=3'],
    says: /the recipe has no "train\.epoch".*did you mean "epochs"/,
    exit: 2,
  },
  {
    what: 'override of the wrong type',
    files: recipe(),
    args: [...plan, '--set', 'train.epochs=many'],
    says: /--set train\.epochs=many train\.epochs: is text; seen: "many"; allowed: a number/,
    exit: 3,
  },
  {
    what: 'unknown task for data',
    files: { 'a.csv': csv },
    args: data('a.csv', '--task', 'sort'),
    says: /--task: unknown task; seen: "sort"; allowed: classify/,
    exit: 2,
  },
  // recipes
  {
    what: 'no such recipe',
    files: recipe(),
    args: ['plan', 'recpe.yaml'],
    says: /recpe\.yaml: no such file; fix: did you mean "recipe\.yaml"/,
    exit: 3,
  },
  {
    what: 'a folder as recipe',
    files: { 'r/x': '' },
    args: ['plan', 'r'],
    says: /is a folder, not a file/,
    exit: 3,
  },
  {
    what: 'recipe that is not UTF-8',
    files: { 'recipe.yaml': Buffer.from('version: 1 # caf\xe9', 'latin1') },
    args: plan,
    says: /recipe\.yaml: is not UTF-8 text; fix: save it as UTF-8/,
    exit: 3,
  },
  {
    what: 'empty recipe',
    files: { 'recipe.yaml': '' },
    args: plan,
    says: /recipe\.yaml:1:1: expected a mapping/,
    exit: 3,
  },
  {
    what: 'recipe that is a list',
    files: { 'recipe.yaml': '- a\n- b\n' },
    args: plan,
    says: /recipe\.yaml:1:1: expected a mapping/,
    exit: 3,
  },
  {
    what: 'tab in the indentation',
    files: recipe((t) => t.replace('  epochs', '\tepochs')),
    args: plan,
    says: /recipe\.yaml:14:1: a tab is used/,
    exit: 3,
  },
  {
    what: 'unclosed bracket',
    files: recipe((t) => t.replace('epochs: 3', 'epochs: [3')),
    args: plan,
    says: /recipe\.yaml:1[45]:\d+: not valid YAML/,
    exit: 3,
  },
  {
    what: 'key given twice',
    files: recipe((t) => `${t}  epochs: 4\n`),
    args: plan,
    says: /recipe\.yaml:15:3: this key is given twice/,
    exit: 3,
  },
  {
    what: 'two documents',
    files: recipe((t) => `${t}---\nversion: 1\n`),
    args: plan,
    says: /one YAML document/,
    exit: 3,
  },
  {
    what: 'no version',
    files: recipe((t) => t.replace('version: 1\n', '')),
    args: plan,
    says: /version: is missing; allowed: 1/,
    exit: 3,
  },
  {
    what: 'version of a newer release',
    files: recipe((t) => t.replace('version: 1', 'version: 99')),
    args: plan,
    says: /recipe\.yaml:1:10 version: was written by a newer release; seen: 99.*update decant/,
    exit: 3,
  },
  {
    what: 'misspelt key',
    files: recipe((t) => t.replace('epochs: 3', 'epcohs: 3')),
    args: plan,
    says: /recipe\.yaml:14:3 train\.epcohs: unknown key; seen: 3; allowed: epochs, .*did you mean "epochs"/,
    exit: 3,
  },
  {
    what: 'misspelt task',
    files: recipe((t) => t.replace('classify', 'clasify')),
    args: plan,
    says: /recipe\.yaml:2:7 task: is not one of the values.*did you mean "classify"/,
    exit: 3,
  },
  {
    what: 'text for a number',
    files: recipe((t) => t.replace('epochs: 3', 'epochs: three')),
    args: plan,
    says: /recipe\.yaml:14:11 train\.epochs: is text; seen: "three"; allowed: a number/,
    exit: 3,
  },
  {
    what: 'number out of range',
    files: recipe((t) => `${t}  batchSize: -1\n`),
    args: plan,
    says: /recipe\.yaml:15:14 train\.batchSize: is out of range; seen: -1; allowed: more than 0/,
    exit: 3,
  },
  {
    what: 'epochs and steps',
    files: recipe((t) => `${t}  steps: 5\n`),
    args: plan,
    says: /train: epochs and steps exclude each other/,
    exit: 3,
  },
  {
    what: 'no student',
    files: recipe((t) => t.replace('student:\n  architecture: bert\n', '')),
    args: plan,
    says: /student: is missing.*fix: add "student"/,
    exit: 3,
  },
  {
    what: 'student from nowhere',
    files: recipe((t) => t.replace('student:\n  architecture: bert', 'student:\n  maxLength: 32')),
    args: plan,
    says: /student: needs either architecture .* or from/,
    exit: 3,
  },
  {
    what: 'unknown kind of teacher',
    files: recipe((t) => t.replace('kind: trained', 'kind: local')),
    args: plan,
    says: /recipe\.yaml:8:9 teacher\.kind: is not one of the values; seen: "local"; allowed: trained, folder, onnx, hub, api/,
    exit: 3,
  },
  {
    what: 'API key in the recipe',
    files: recipe((t) =>
      t.replace('kind: trained\n  architecture: bert', 'kind: api\n  model: m\n  apiKey: secret'),
    ),
    args: plan,
    says: /teacher\.apiKey: unknown key.*keyEnv/,
    exit: 3,
  },
  {
    what: 'seed twice',
    files: recipe((t) => `${t}seeds: [1, 2, 1]\n`),
    args: plan,
    says: /seeds: a seed is listed twice; seen: 1/,
    exit: 3,
  },
  {
    what: 'slice of a column that is not kept',
    files: recipe((t) => `${t}evaluate: {slices: [lang]}\n`),
    args: plan,
    says: /evaluate\.slices\[0\]: slices need their column in data\.keep; seen: "lang".*add lang to data\.keep/,
    exit: 3,
  },
  {
    what: 'held-out shares of more than everything',
    files: recipe((t) => t.replace('test: 0', 'test: 0.6').replace('validation: 0', 'validation: 0.5')),
    args: plan,
    says: /validation and test together hold out everything/,
    exit: 3,
  },
  {
    what: 'three mistakes at once',
    files: recipe((t) => t.replace('classify', 'sort').replace('epochs: 3', 'epochs: x\n  bogus: 1')),
    args: plan,
    says: /recipe\.yaml: 3 problems\n.*:2:7 task[\s\S]*:14:11 train\.epochs[\s\S]*:15:3 train\.bogus/,
    exit: 3,
  },
  {
    what: 'unknown method',
    files: recipe((t) => t.replace('method: kd', 'method: kdd')),
    args: plan,
    says: /recipe\.yaml:12:9 method\.name: there is no such method; seen: "kdd".*did you mean "kd"/,
    exit: 3,
  },
  {
    what: 'unknown option of a method',
    files: recipe((t) => t.replace('method: kd', 'method: {name: kd, options: {temprature: 2}}')),
    args: plan,
    says: /method\.options\.temprature: unknown key; seen: 2.*did you mean "temperature"/,
    exit: 3,
  },
  {
    what: 'unknown architecture',
    files: recipe((t) => t.replace('student:\n  architecture: bert', 'student:\n  architecture: brt')),
    args: plan,
    says: /recipe\.yaml:11:17 student\.architecture: there is no such architecture; seen: "brt".*did you mean "bert"/,
    exit: 3,
  },
  {
    what: 'architecture of another task',
    files: recipe((t) => t.replace('student:\n  architecture: bert', 'student:\n  architecture: cnn')),
    args: plan,
    says: /student\.architecture: cnn does not serve task classify/,
    exit: 3,
  },
  {
    what: 'method without the teacher it needs',
    files: recipe((t) => t.replace('teacher:\n  kind: trained\n  architecture: bert\n', '')),
    args: plan,
    says: /teacher: is missing.*kd learns from a teacher/,
    exit: 3,
  },
  // data
  {
    what: 'no such data file',
    files: { 'rows.csv': csv },
    args: data('row.csv'),
    says: /row\.csv: no such file or folder; fix: did you mean "rows\.csv"/,
    exit: 4,
  },
  {
    what: 'unknown extension',
    files: { 'rows.xlsx': 'x' },
    args: data('rows.xlsx'),
    says: /rows\.xlsx: the format of this file is not known; allowed: .*\.csv/,
    exit: 4,
  },
  { what: 'empty CSV', files: { 'a.csv': '' }, args: data('a.csv'), says: /a\.csv: is empty/, exit: 4 },
  {
    what: 'header without rows',
    files: { 'a.csv': 'text,label\n' },
    args: data('a.csv'),
    says: /a\.csv: no rows/,
    exit: 4,
  },
  {
    what: 'same column twice',
    files: { 'a.csv': 'text,text\na,b\n' },
    args: data('a.csv'),
    says: /a\.csv:1: two columns have the same name; seen: "text"/,
    exit: 4,
  },
  {
    what: 'quote never closed',
    files: { 'a.csv': 'text,label\na,b\n"c,d\ne,f\n' },
    args: data('a.csv'),
    says: /a\.csv:3: a quoted field that starts here is never closed/,
    exit: 4,
  },
  {
    what: 'columns that fit no task',
    files: { 'a.csv': 'foo,bar\n1,2\n' },
    args: data('a.csv'),
    says: /the columns fit no task; seen: \["foo","bar"\]/,
    exit: 2,
  },
  {
    what: 'columns that do not fit the task',
    files: { 'a.csv': 'foo,bar\n1,2\n' },
    args: data('a.csv', '--task', 'classify'),
    says: /do not give what task classify needs; seen: \["foo","bar"\].*data\.columns/,
    exit: 4,
  },
  {
    what: 'mapped column that is not there',
    files: { 'a.csv': csv },
    args: data('a.csv', '-t', 'classify', '--set', 'data.columns.label=lable'),
    says: /data\.columns\.label: no such column; seen: "lable".*did you mean "label"/,
    exit: 4,
  },
  {
    what: 'one class only',
    files: { 'a.csv': 'text,label\na b,x\nc d,x\n' },
    args: data('a.csv'),
    says: /at least two classes; seen: \["x"\]/,
    exit: 4,
  },
  {
    what: 'no row of the right encoding',
    files: { 'a.csv': Buffer.from('text,label\ncaf\xe9 \xe9t\xe9,a\n\xe9,b\n', 'latin1') },
    args: data('a.csv', '-t', 'classify'),
    says: /none of 2 rows can be used; seen: "2 rows: encoding.*fix: set data\.encoding, for example windows-1252/,
    exit: 4,
  },
  {
    what: 'unknown encoding',
    files: { 'a.csv': csv },
    args: data('a.csv', '--set', 'data.encoding=utf-99'),
    says: /unknown text encoding; seen: "utf-99"/,
    exit: 4,
  },
  {
    what: 'binary file',
    files: { 'a.csv': new Uint8Array([65, 0, 66, 10]) },
    args: data('a.csv'),
    says: /a\.csv: holds zero bytes, so it is not text/,
    exit: 4,
  },
  {
    what: 'damaged gzip',
    files: { 'a.csv.gz': gzipSync(csv.repeat(50)).subarray(0, 40) },
    args: data('a.csv.gz'),
    says: /a\.csv\.gz: cannot be read.*damaged or cut short/,
    exit: 4,
  },
  {
    what: 'JSONL without one good line',
    files: { 'a.jsonl': '{"text": \n[1]\n' },
    args: data('a.jsonl', '-t', 'classify'),
    says: /none of 2 rows can be used; seen: "2 rows: parse, first at line 1/,
    exit: 4,
  },
  {
    what: 'JSON that is no list',
    files: { 'a.json': '{"text": "a"}' },
    args: data('a.json'),
    says: /a\.json: expected an array of objects/,
    exit: 4,
  },
  {
    what: 'Parquet that is none',
    files: { 'a.parquet': csv },
    args: data('a.parquet'),
    says: /a\.parquet: not a readable Parquet file/,
    exit: 4,
  },
  {
    what: 'folder without data',
    files: { 'd/readme.md': 'x' },
    args: data('d'),
    says: /nothing in this folder looks like data; seen: \["readme\.md"\]/,
    exit: 4,
  },
  {
    what: 'images that are none',
    files: { 'd/cat/1.png': png, 'd/dog/1.png': png },
    args: data('d', '-t', 'image-classify'),
    says: /none of 2 rows can be used; seen: "2 rows: image.*damaged image/,
    exit: 4,
  },
  {
    what: 'raw arrays with a wrong header',
    files: { 'd/header.json': '{"files": {"train.images.u8": {"dtype": "float32", "shape": [1]}}}' },
    args: data('d'),
    says: /header\.json: not a header of raw arrays/,
    exit: 4,
  },
  {
    what: 'more held out than there is',
    files: recipe((t) => t.replace('test: 0', 'test: 50')),
    args: plan,
    says: /data\.test: more rows are to be held out than there are; seen: 50; allowed: below 4/,
    exit: 4,
  },
  {
    what: 'split that a set does not have',
    files: recipe(),
    args: data('builtin:support-requests#dev'),
    says: /no split "dev"; allowed: train, validation, test, unlabeled, history/,
    exit: 4,
  },
  {
    what: 'unknown generated set',
    args: data('builtin:suport-requests'),
    says: /builtin:suport-requests: unknown generated set.*did you mean "support-requests"/,
    exit: 4,
  },
  {
    what: 'unknown option of a generated set',
    args: data('builtin:support-requests', '--set', 'data.options.typoz=0.1'),
    says: /data\.options\.typoz: unknown option; seen: 0\.1; allowed: .*did you mean "typos"/,
    exit: 3,
  },
  {
    what: 'unknown public set',
    args: data('dataset:banking'),
    says: /dataset:banking: unknown data set.*did you mean "banking77"/,
    exit: 4,
  },
  {
    what: 'public set without DECANT_DATA',
    args: data('dataset:banking77'),
    says: /DECANT_DATA is not set; fix: get it from github\.com\/PolyAI-LDN.*docs\/data\.md/,
    exit: 4,
  },
  {
    what: 'public set that is not there',
    args: data('dataset:sst2'),
    env: { DECANT_DATA: 'sets' },
    says: /train\.jsonl was not found; seen: "sets\/sst2"; fix: get it from github\.com\/harvardnlp/,
    exit: 4,
  },
  {
    what: 'public set with other content',
    files: { 'sets/names/names.txt': 'emma\nolivia\n' },
    args: data('dataset:names', '-t', 'generate'),
    env: { DECANT_DATA: 'sets' },
    says: /the content is not that of dataset:names; seen: "sha256 .*data\.acceptChanged: true/,
    exit: 4,
  },
  {
    what: 'hub data set without owner',
    args: data('hub:imdb'),
    says: /a hub data set needs owner and name; seen: "hub:imdb"/,
    exit: 4,
  },
  {
    what: 'unknown kind of reference',
    args: data('datset:sst2'),
    says: /unknown kind of data reference; seen: "datset:sst2".*did you mean "dataset"/,
    exit: 4,
  },
  // models and their pairing
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
  // exported folders, asked
  {
    what: 'model folder that is not there',
    args: answer,
    says: /model.*(no such folder|config\.json)/,
    exit: 5,
  },
  {
    what: 'folder without its ONNX file',
    make: spoilt(without('onnx/model.onnx')),
    args: answer,
    says: /model\/onnx\/model\.onnx: the folder lacks the ONNX file; seen: "onnx\/model_quantized\.onnx"/,
    exit: 5,
  },
  {
    what: 'ONNX file cut short',
    make: spoilt(cut('onnx/model.onnx')),
    args: answer,
    says: /onnx\/model\.onnx: onnxruntime does not open the file/,
    exit: 5,
  },
  {
    what: 'ONNX file without logits',
    make: spoilt((folder) =>
      writeFileSync(
        join(folder, 'onnx/model.onnx'),
        exportOnnx<Record<string, Tensor>>({
          params: { w: array([1, 2]) },
          inputs: { features: spec([2]) },
          forward: (p: { w: Tensor }, i: { features: Tensor }) => ({ scores: add(i.features, p.w) }),
          graphName: 'other',
        } as never),
      ),
    ),
    args: answer,
    says: /the ONNX file has no output logits; seen: "scores"/,
    exit: 5,
  },
  {
    what: 'text model without a tokenizer',
    make: spoilt(without('tokenizer.json')),
    args: answer,
    says: /reads tokens and the folder has no tokenizer\.json/,
    exit: 5,
  },
  {
    what: 'more class names than scores',
    make: spoilt(withConfig({ id2label: { 0: 'card', 1: 'transfer', 2: 'loan' } })),
    args: answer,
    says: /another number of scores than it has class names; seen: "3 names in id2label"; allowed: 2/,
    exit: 5,
  },
  {
    what: 'language model asked for a class',
    make: (cwd) => writeTinyLanguageModel(join(cwd, 'model')),
    args: answer,
    says: /a language model, not a classifier; seen: "GPT2LMHeadModel"; fix: .*decant serve/,
    exit: 5,
  },
  {
    what: 'nothing to predict',
    make: spoilt(),
    args: ['predict', 'model'],
    says: /nothing to predict/,
    exit: 2,
  },
  {
    what: 'unknown dtype',
    make: spoilt(),
    args: [...answer, '--dtype', 'q2'],
    says: /--dtype: unknown dtype; seen: "q2"; allowed: fp32, q8/,
    exit: 2,
  },
  {
    what: 'no run to resume',
    files: { 'rows.csv': csv },
    args: ['resume', '.'],
    says: /no run in this folder/,
    exit: 2,
  },
  // model folders that a run is to use
  {
    what: 'student from weights cut short',
    files: goesOn,
    make: spoilt(cut('model.safetensors')),
    args: trainOn,
    says: /model\.safetensors.*(cut short|truncated|shorter|bytes|ends)/,
    exit: 5,
  },
  {
    what: 'student from an architecture that is not supported',
    files: goesOn,
    make: spoilt(withConfig({ architectures: ['MambaForSequenceClassification'] })),
    args: trainOn,
    says: /MambaForSequenceClassification/,
    exit: 5,
  },
  {
    what: 'student from weights of another size',
    files: goesOn,
    make: spoilt(withConfig({ width: 12 })),
    args: trainOn,
    says: /the weights do not fit the model|shape of embeddings/,
    exit: 5,
  },
  {
    what: 'student from a folder without a tokenizer',
    files: goesOn,
    make: spoilt(without('tokenizer.json')),
    args: trainOn,
    says: /tokenizer\.json/,
    exit: 5,
  },
  {
    what: 'teacher without weights and ONNX file',
    files: folderTeaches,
    make: spoilt(
      without('model.safetensors'),
      without('onnx/model.onnx'),
      without('onnx/model_quantized.onnx'),
    ),
    args: trainOn,
    says: /neither model\.safetensors nor an ONNX file/,
    exit: 5,
  },
  {
    what: 'teacher without a tokenizer',
    files: folderTeaches,
    make: spoilt(without('tokenizer.json')),
    args: trainOn,
    says: /the teacher has no tokenizer\.json beside it/,
    exit: 6,
  },
  {
    what: 'teacher whose weights are of another size',
    files: folderTeaches,
    make: spoilt(withConfig({ buckets: 32 })),
    args: trainOn,
    says: /the weights do not fit the model:\n\s+shape of embeddings\.ngrams/,
    exit: 5,
  },
  {
    what: 'ONNX teacher of another number of scores',
    files: recipe((t) =>
      small(t).replace(
        'teacher:\n  kind: trained\n  train: { steps: 1 }\n  architecture: bag',
        'teacher: {kind: onnx, path: model/onnx/model.onnx}',
      ),
    ),
    make: async (cwd) => {
      await writeTinyClassifier(join(cwd, 'model'));
      withConfig({ id2label: { 0: 'card', 1: 'transfer' }, num_labels: 2 })(join(cwd, 'model'));
    },
    args: trainOn,
    says: /another number of scores than it has class names; seen: "3 scores"; allowed: 2 classes/,
    exit: 5,
  },
  {
    what: 'streaming, where rows must be at hand',
    files: recipe((t) => small(t).replace('test: 1', 'test: 1\n  streaming: {}')),
    args: trainOn,
    says: /data\.streaming: training from a stream is not supported/,
    exit: 3,
  },
];

describe('bad input', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'decant-bad-'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it.each(cases.map((c, i) => ({ ...c, i })))(
    '$what -> exit $exit',
    async ({ files = {}, make, args, env = {}, says, exit, i }) => {
      const cwd = join(root, String(i));
      await mkdir(cwd);
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(join(cwd, name)), { recursive: true });
        await writeFile(join(cwd, name), content);
      }
      await make?.(cwd);
      const located = Object.fromEntries(Object.entries(env).map(([k, v]) => [k, join(cwd, v)]));
      const run = async (more: string[]) => {
        let [out, err] = ['', ''];
        const io = {
          stdout: { write: (t: string) => (out += t) },
          stderr: { write: (t: string) => (err += t) },
          stdin: {},
          env: located,
          cwd,
        };
        const code = await runCli([...args, ...more], io, '0.0.0');
        return { code, out, err: err.replaceAll(`${cwd}/`, '') };
      };
      const { code, err } = await run([]);
      expect(err).toMatch(says);
      expect(code).toBe(exit);
      expect(err).not.toMatch(/\n\s+at /);
      // The same as JSON, for programs; complaints of the command line itself stay text.
      rmSync(join(cwd, 'out'), { recursive: true, force: true });
      const json = await run(['--json']);
      expect(json.code).toBe(exit);
      if (exit !== 2)
        expect(JSON.parse(json.out)).toMatchObject({
          error: {
            exitCode: exit,
            message: expect.stringMatching(new RegExp(says.source.replaceAll('sets\\/', '.*sets\\/'))),
          },
        });
    },
  );
});
