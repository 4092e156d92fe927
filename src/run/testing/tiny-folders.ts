import { trainTokenizer } from '../../data/tokenizer/train.ts';
import { exportDecoder } from '../../export/decoder.ts';
import { exportStudent } from '../../export/student.ts';
import { sharpParams } from '../../generate/testing/tiny.ts';
import { init } from '../../nn/model.ts';
import { bagClassifier } from '../../nn/models/bag.ts';
import { gpt2 } from '../../nn/models/gpt2.ts';
import { sentenceEncoder } from '../../nn/models/sentence.ts';
import { diskFolder } from '../../util/node/disk-folder.ts';

const TEXTS = [
  'my card was declined at the shop',
  'how do i transfer money to another account',
  'where is the card i asked for',
  'cancel the transfer please',
];

/** A classifier with random weights over three classes. */
export async function writeTinyClassifier(path: string, labels = ['card', 'transfer', 'other']) {
  const files = trainTokenizer('wordpiece', TEXTS, { vocabSize: 200, minFrequency: 1, maxLength: 32 });
  const model = bagClassifier({ vocab_size: 200, width: 8, ngrams: 2, buckets: 64 } as never, labels.length);
  await exportStudent(diskFolder(path), {
    model,
    params: init(model, 'tiny'),
    formats: ['fp32', 'int8'],
    labels,
    tokenizer: files.tokenizer,
    tokenizerConfig: { ...files.tokenizerConfig, model_max_length: 32 },
  });
}

/** A sentence encoder with random weights. */
export async function writeTinyEmbedder(path: string) {
  const files = trainTokenizer('wordpiece', TEXTS, { vocabSize: 200, minFrequency: 1, maxLength: 32 });
  const model = sentenceEncoder({ encoder: 'bag', vocab_size: 200, hidden_size: 16 });
  await exportStudent(diskFolder(path), {
    model,
    params: init(model, 'tiny'),
    outputs: ['sentence_embedding'],
    formats: ['fp32'],
    tokenizer: files.tokenizer,
    tokenizerConfig: { ...files.tokenizerConfig, model_max_length: 32 },
  });
}

export const CHAT_TEMPLATE =
  "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/** A GPT-2 with random, sharp weights over the characters of a few texts. */
export async function writeTinyLanguageModel(
  path: string,
  options: { chat?: boolean; seed?: number; alphabet?: string; positions?: number } = {},
) {
  const alphabet = [...TEXTS, 'user: assistant: system:\n', options.alphabet ?? ''];
  const files = trainTokenizer('char', alphabet, { vocabSize: 64, maxLength: options.positions ?? 64 });
  const vocab = Object.keys((files.tokenizer as { model: { vocab: object } }).model.vocab).length;
  const model = gpt2({
    vocab_size: vocab,
    n_positions: options.positions ?? 64,
    n_embd: 32,
    n_layer: 2,
    n_head: 4,
  });
  await exportDecoder(diskFolder(path), {
    model,
    params: sharpParams(model, options.seed ?? 26),
    formats: ['fp32'],
    tokenizer: files.tokenizer,
    tokenizerConfig: files.tokenizerConfig,
    ...(options.chat === false ? {} : { chatTemplate: CHAT_TEMPLATE }),
  });
}
