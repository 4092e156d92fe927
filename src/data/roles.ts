import type { Task } from './types.ts';

/** What a role's value must be. */
export type RoleKind = 'text' | 'label' | 'number' | 'boolean' | 'texts' | 'numbers' | 'image' | 'features';

export interface Role {
  kind: RoleKind;
  /** Field of {@link Example} that it fills. */
  field: string;
  what: string;
  /** Column names taken for this role when the recipe maps none; the role's own name comes first. */
  aliases: string[];
}

export const roles = {
  text: {
    kind: 'text',
    field: 'text',
    what: 'the input text',
    aliases: ['sentence', 'utterance', 'content', 'message', 'body', 'question', 'query', 'document'],
  },
  label: {
    kind: 'label',
    field: 'label',
    what: 'the class, by name or by index',
    aliases: ['intent', 'class', 'category', 'target', 'sentiment'],
  },
  features: {
    kind: 'features',
    field: 'features',
    what: 'numeric inputs: a list of columns, `*`, or one column of arrays',
    aliases: ['x'],
  },
  image: {
    kind: 'image',
    field: 'image',
    what: 'an image, or the path of one',
    aliases: ['img', 'file', 'path'],
  },
  prompt: {
    kind: 'text',
    field: 'prompt',
    what: 'what the model is given',
    aliases: ['instruction', 'question', 'input', 'query'],
  },
  response: {
    kind: 'text',
    field: 'response',
    what: 'what it should write',
    aliases: ['completion', 'answer', 'output', 'target'],
  },
  chosen: { kind: 'text', field: 'chosen', what: 'the better response', aliases: ['preferred', 'winner'] },
  rejected: {
    kind: 'text',
    field: 'rejected',
    what: 'the worse response',
    aliases: ['dispreferred', 'loser'],
  },
  responses: {
    kind: 'texts',
    field: 'responses',
    what: 'a list of responses',
    aliases: ['candidates', 'completions'],
  },
  scores: {
    kind: 'numbers',
    field: 'scores',
    what: 'one number per response, higher is better',
    aliases: ['rewards', 'ratings'],
  },
  good: {
    kind: 'boolean',
    field: 'good',
    what: 'whether the response is good',
    aliases: ['label', 'liked', 'desirable', 'correct', 'valid'],
  },
  query: { kind: 'text', field: 'text', what: 'the query', aliases: ['question', 'text'] },
  document: { kind: 'text', field: 'pair', what: 'the document', aliases: ['passage', 'doc', 'text2'] },
  positive: {
    kind: 'text',
    field: 'pair',
    what: 'a document that answers the query',
    aliases: ['relevant', 'pos'],
  },
  negative: {
    kind: 'text',
    field: 'rejected',
    what: 'a document that answers it less',
    aliases: ['irrelevant', 'neg', 'hard_negative'],
  },
  relevance: {
    kind: 'number',
    field: 'score',
    what: 'graded relevance, 0 is none',
    aliases: ['score', 'label', 'grade'],
  },
  pair: { kind: 'text', field: 'pair', what: 'the other text', aliases: ['text2', 'sentence2', 'positive'] },
  similarity: {
    kind: 'number',
    field: 'score',
    what: 'similarity of the two texts',
    aliases: ['score', 'label'],
  },
  group: { kind: 'text', field: 'group', what: 'rows of one group stay on one side of a split', aliases: [] },
  weight: { kind: 'number', field: 'weight', what: 'weight in the loss', aliases: [] },
} as const satisfies Record<string, Role>;
export type RoleName = keyof typeof roles;

/** One way a task's rows can look. `label` roles may be absent from rows of an unlabelled split. */
export interface Form {
  name: string;
  needs: RoleName[];
  /** Taken when the columns are there. */
  may: RoleName[];
  /** Needed only in labelled splits. */
  gold: RoleName[];
  /** Only for rows of an unlabelled pool. */
  pool?: true;
  /** Field whose value is the row's group where no group is given. */
  groupBy?: 'text';
}

/** The forms of each task in order of preference: the first whose columns are all there is used. */
export const taskForms: Record<Task, Form[]> = {
  classify: [
    { name: 'text', needs: ['text'], gold: ['label'], may: ['group', 'weight'] },
    { name: 'features', needs: ['features'], gold: ['label'], may: ['group', 'weight'] },
  ],
  'image-classify': [{ name: 'image', needs: ['image'], gold: ['label'], may: ['group', 'weight'] }],
  'node-classify': [{ name: 'graph', needs: ['features'], gold: ['label'], may: [] }],
  generate: [
    { name: 'prompt', needs: ['prompt'], gold: ['response'], may: ['group', 'weight'] },
    { name: 'text', needs: ['text'], gold: [], may: ['group', 'weight'] },
  ],
  embed: [
    { name: 'pairs', needs: ['text', 'pair'], gold: [], may: ['similarity', 'group'] },
    { name: 'text', needs: ['text'], gold: [], may: ['group'] },
  ],
  rank: [
    { name: 'pairs', needs: ['query', 'document'], gold: ['relevance'], may: ['group'], groupBy: 'text' },
    { name: 'triples', needs: ['query', 'positive', 'negative'], gold: [], may: ['group'], groupBy: 'text' },
    { name: 'documents', needs: ['document'], gold: [], may: [], pool: true },
    { name: 'queries', needs: ['query'], gold: [], may: [], pool: true },
  ],
  prefer: [
    { name: 'pairs', needs: ['prompt', 'chosen', 'rejected'], gold: [], may: ['group', 'weight'] },
    { name: 'listwise', needs: ['prompt', 'responses'], gold: ['scores'], may: ['group', 'weight'] },
    { name: 'unpaired', needs: ['prompt', 'response'], gold: ['good'], may: ['group', 'weight'] },
  ],
  diffuse: [
    { name: 'features', needs: ['features'], gold: [], may: ['label', 'group', 'weight'] },
    { name: 'image', needs: ['image'], gold: [], may: ['label', 'group', 'weight'] },
  ],
};
export const tasks = Object.keys(taskForms) as Task[];
