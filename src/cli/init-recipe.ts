import type { Task } from '../data/types.ts';
import { DecantError } from '../util/errors.ts';

export interface InitAnswers {
  task: Task;
  /** A data reference. */
  data: string;
  /** `trained`, `none`, or KIND:WHERE such as `folder:./teacher`, `hub:owner/name`, `api:model-name`. */
  teacher: string;
}

interface Suggestion {
  teacher: { architecture: string; options: string };
  student: { architecture: string; options: string };
  columns: string;
  rows: string;
  epochs: number;
  lr: string;
}

const text = { architecture: 'bert', options: '{layers: 2, hidden: 128, heads: 4}' };
const smallText = { architecture: 'bert', options: '{layers: 1, hidden: 48, heads: 2}' };
const decoder = { architecture: 'llama', options: '{layers: 4, hidden: 256, heads: 4}' };
const smallDecoder = { architecture: 'llama', options: '{layers: 2, hidden: 96, heads: 4}' };

const suggestions: Record<Task, Suggestion> = {
  classify: {
    teacher: text,
    student: smallText,
    columns: '{text: text, label: label}',
    rows: 'texts with a class each',
    epochs: 10,
    lr: '1.0e-3',
  },
  'image-classify': {
    teacher: { architecture: 'cnn', options: '{widths: [32, 64], hidden: 128}' },
    student: { architecture: 'cnn', options: '{widths: [8, 16], hidden: 32}' },
    columns: '{image: image, label: label}',
    rows: 'images with a class each',
    epochs: 10,
    lr: '1.0e-3',
  },
  'node-classify': {
    teacher: { architecture: 'gcn', options: '{hidden: 64}' },
    student: { architecture: 'mlp', options: '{hidden: [64], dropout: 0.5}' },
    columns: '',
    rows: 'a folder with nodes.csv (id, label, split, features) and edges.csv (source, target)',
    epochs: 200,
    lr: '1.0e-2',
  },
  generate: {
    teacher: decoder,
    student: smallDecoder,
    columns: '{prompt: prompt, response: response}',
    rows: 'prompts with responses, or plain text',
    epochs: 3,
    lr: '5.0e-4',
  },
  diffuse: {
    teacher: { architecture: 'diffusion-mlp', options: '{hidden: 128, blocks: 3}' },
    student: { architecture: 'diffusion-mlp', options: '{hidden: 128, blocks: 3}' },
    columns: "{features: '*'}",
    rows: 'rows of numbers, or images ({image: image})',
    epochs: 50,
    lr: '1.0e-3',
  },
  embed: {
    teacher: { architecture: 'sentence', options: '{layers: 2, hidden: 128, heads: 4}' },
    student: { architecture: 'sentence', options: '{layers: 1, hidden: 48, heads: 2}' },
    columns: '{text: text, pair: pair}',
    rows: 'texts, or pairs of texts',
    epochs: 10,
    lr: '5.0e-4',
  },
  rank: {
    teacher: { architecture: 'kernel-pooling', options: '{hidden: 64}' },
    student: { architecture: 'dual-bag', options: '{width: 64, normalize: false}' },
    columns: '{query: query, document: document, relevance: relevance}',
    rows: 'queries with judged documents',
    epochs: 8,
    lr: '1.0e-2',
  },
  prefer: {
    teacher: decoder,
    student: smallDecoder,
    columns: '{prompt: prompt, chosen: chosen, rejected: rejected}',
    rows: 'prompts with a better and a worse response',
    epochs: 1,
    lr: '5.0e-5',
  },
};

const quote = (value: string): string =>
  /^[\w./:@-]+$/.test(value) && !/^(true|false|null|~|[-+.\d]+)$/.test(value) ? value : JSON.stringify(value);

/** The first method to try, with a teacher and without one. */
const FIRST: Partial<Record<Task, readonly [taught: string, alone: string]>> = {
  rank: ['margin-mse', 'ranknet'],
  embed: ['embedding-kd', 'contrastive'],
};

/** A first method: for preferences DPO, after supervised training on the better responses. */
function methodLines(task: Task, teacher: InitAnswers['teacher']): string {
  const [taught, alone] = FIRST[task] ?? ['kd', 'supervised'];
  if (task !== 'prefer') return `method: ${teacher === 'none' ? alone : taught}  # see decant methods`;
  return `prefer:
  sft: {epochs: 3, optimizer: {lr: 5.0e-4}}  # first learn the better responses; leave out for a student that can write
  reference: ${teacher === 'none' ? 'start' : 'teacher'}                     # what preferences are relative to: start, teacher or moving

method: dpo                            # or adpo; see decant methods`;
}

/** A commented recipe for three answers. Errors: `usage` for a teacher that is none of the kinds. */
export function initRecipe({ task, data, teacher }: InitAnswers, name = 'my-recipe'): string {
  const s = suggestions[task];
  const own = data.startsWith('builtin:') || data.startsWith('dataset:');
  const graph = task === 'node-classify';
  const pool = graph
    ? ''
    : data === 'builtin:support-requests'
      ? `\n  unlabeled: ${data}          # inputs without labels, which the teacher answers\n  teacher: ${data}#history    # labelled rows that only the teacher is trained on`
      : task === 'rank'
        ? '\n  # unlabeled: documents.jsonl        # the rest of the collection (document), or queries without judgements (query)'
        : '\n  # unlabeled: pool.jsonl             # inputs without labels, which the teacher answers';
  const held = graph
    ? ''
    : "\n  # test: 0.2                          # a share of the rows, or a file; the set's own test split when there is one";
  const columns = own || s.columns === '' ? '' : `\n  # columns: ${s.columns}  # needed where names differ`;
  return `# yaml-language-server: $schema=./recipe.schema.json
# A Decant recipe. "decant plan" checks it, "decant data" shows the rows; every key stands in docs/recipe.md.
version: 1
name: ${name}                        # the run goes to runs/${name}
task: ${task}

data:                                  # ${s.rows}
  train: ${quote(data)}${pool}${columns}${held}

${teacherSection(teacher, s)}student:
  architecture: ${s.student.architecture}
  options: ${s.student.options}

${methodLines(task, teacher)}

train:
  epochs: ${s.epochs}
  batchSize: 32
  optimizer: {name: adamw, lr: ${s.lr}}

seeds: [1]                             # [1, 2, 3] gives means with a spread
`;
}

function teacherSection(teacher: string, s: Suggestion): string {
  if (teacher === 'none') return '';
  if (teacher === 'trained')
    return `teacher:
  kind: trained                        # made and trained here; bigger than the student
  architecture: ${s.teacher.architecture}
  options: ${s.teacher.options}
  train: {epochs: ${s.epochs}}

`;
  const [, kind, where] = /^(folder|onnx|hub|api):(.+)$/s.exec(teacher) ?? [];
  if (kind === 'folder' || kind === 'onnx') return `teacher:\n  kind: ${kind}\n  path: ${quote(where)}\n\n`;
  if (kind === 'hub') return `teacher:\n  kind: hub\n  model: ${quote(where)}\n\n`;
  if (kind === 'api')
    return `teacher:
  kind: api
  model: ${quote(where)}
  baseURL: http://localhost:8000/v1    # any OpenAI-compatible endpoint
  keyEnv: OPENAI_API_KEY               # the variable that holds the key; keys never stand in a recipe
  # budget: {money: 5}                 # the run stops asking before it spends more

`;
  throw new DecantError('usage', 'unknown kind of teacher', {
    at: '--teacher',
    seen: teacher,
    allowed: 'trained, none, folder:PATH, onnx:FILE, hub:OWNER/NAME, api:MODEL',
  });
}
