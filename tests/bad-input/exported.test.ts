import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportOnnx } from '../../src/export/onnx.ts';
import { add, array, spec, type Tensor } from '../../src/graph/index.ts';
import { writeTinyEmbedder, writeTinyLanguageModel } from '../../src/run/testing/tiny-folders.ts';
import { answer, type Case, checkBadInput, csv, cut, spoilt, withConfig, without } from './check.ts';

const cases: Case[] = [
  {
    what: 'model folder that is not there',
    args: answer,
    says: /model.*(no such folder|config\.json)/,
    exit: 2,
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
    what: 'sentence encoder measured',
    files: { 'rows.csv': 'text,label\na card,card\n' },
    make: (cwd) => writeTinyEmbedder(join(cwd, 'model')),
    args: ['eval', 'model', 'rows.csv'],
    says: /rows.csv: the columns do not give what task rank needs; seen: \["text","label"\]/,
    exit: 4,
  },
  {
    what: 'answer longer than the context',
    make: (cwd) => writeTinyLanguageModel(join(cwd, 'model')),
    args: ['predict', 'model', 'hi', '-n', '999'],
    says: /the answer would not fit into the context/,
    exit: 2,
  },
  {
    what: '4-bit file of a classifier',
    make: spoilt(),
    args: [...answer, '--dtype', 'q4'],
    says: /only language models have a 4-bit file/,
    exit: 2,
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
];

checkBadInput('exported folders, asked', cases);
