import { join } from 'node:path';
import { writeTinyClassifier } from '../../src/run/testing/tiny-folders.ts';
import {
  type Case,
  checkBadInput,
  cut,
  folderTeaches,
  goesOn,
  recipe,
  small,
  spoilt,
  trainOn,
  withConfig,
  without,
} from './check.ts';

const cases: Case[] = [
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
    files: recipe((t) =>
      small(t).replace('test: 1', 'test: 1\n  streaming: {}').replace('method: kd', 'method: lelp'),
    ),
    args: trainOn,
    says: /data\.streaming: rows that are streamed cannot be prepared or rewritten all at once/,
    exit: 3,
  },
];

checkBadInput('model folders that a run is to use', cases);
