/** Where a row comes from: a file and its 1-based line (row number for Parquet and arrays, 0 for a whole file). */
export interface Located {
  file: string;
  line: number;
}

/** A row as the source holds it: column name to value. */
export interface RawRow extends Located {
  values: Record<string, unknown>;
}

/** Why a row was put aside (or, for kinds marked "noted", only mentioned). */
export const problemKinds = {
  ragged: 'more or fewer fields than the header',
  parse: 'not valid JSON, or not an object',
  empty: 'nothing in a column that the task needs',
  missing: 'a column that the task needs is absent from the row',
  type: 'a value of the wrong type',
  encoding: 'bytes that are not valid text in the declared encoding',
  'unknown-label': 'a label outside the list of classes',
  contradiction: 'the same input with different labels',
  duplicate: 'the same input and label as an earlier row',
  'near-duplicate': 'almost the same text as an earlier row',
  leak: 'a training row that is also a test or validation row',
  'near-leak': 'a training row that is almost a test or validation row',
  image: 'an image that cannot be read, or of another size',
  isolated: 'a node without neighbours',
  'self-edge': 'an edge from a node to itself',
  'double-edge': 'an edge that stands there already',
} as const;
export type ProblemKind = keyof typeof problemKinds;

export interface Problem extends Located {
  kind: ProblemKind;
  /** What is wrong, with the value. */
  message: string;
  /** The split the row belongs to, when known. */
  split?: string;
  /** The row as read, cut to a readable length. */
  raw?: string;
  /** True when the row was kept all the same. */
  kept?: boolean;
}

export type SourceItem = RawRow | { problem: Problem };
export const isProblem = (item: SourceItem): item is { problem: Problem } => 'problem' in item;

/** A readable table of rows. Every call of `batches` starts at the first row; nothing is held between batches. */
export interface Source {
  /** For messages: the path or reference as the user wrote it. */
  label: string;
  batches(): AsyncIterable<SourceItem[]>;
}

/** What a reference such as `dataset:sst2` or `./tickets/` stands for: named splits and what is known about them. */
export interface SourceSet {
  label: string;
  splits: Record<string, Source>;
  /** Roles the set's own columns play, used where the recipe maps none. */
  columns?: ColumnMap;
  /** Class names in the order of their indices. */
  classes?: string[];
  licence?: string;
  /** SHA-256 of the content, when it is known without reading everything. */
  contentHash?: string;
}

/** Role of the task (`text`, `label`, ...) to a column name, several columns (joined), or a template `"{a}: {b}"`. */
export type ColumnMap = Record<string, string | string[]>;

export type Task =
  | 'classify'
  | 'generate'
  | 'embed'
  | 'rank'
  | 'prefer'
  | 'image-classify'
  | 'diffuse'
  | 'node-classify';

/** One usable example: raw fields by role, after normalization. Which are set depends on the task. */
export interface Example extends Located {
  /** Input text (classify, embed, rank: the query), or the whole text of a language-model example. */
  text?: string;
  /** The other text of a pair (embed), or the document (rank). */
  pair?: string;
  prompt?: string;
  response?: string;
  chosen?: string;
  rejected?: string;
  responses?: string[];
  /** One per response (prefer, listwise), higher is better. */
  scores?: number[];
  /** Graded relevance (rank), similarity (embed). */
  score?: number;
  /** Unpaired preference: true for a good response. */
  good?: boolean;
  /** Class index; -1 when the row carries no label. */
  label?: number;
  /** Numeric input vector [features]. */
  features?: Float32Array;
  /** Number of the node in its graph (node-classify). */
  node?: number;
  /** Pixels, row-major [height, width, channels], 0-255. */
  image?: Uint8Array;
  shape?: [height: number, width: number, channels: number];
  /** Rows of one group never stand on both sides of a split. */
  group?: string;
  /** Weight of the example in the loss, from a `weight` column or from class balancing. */
  weight?: number;
  /** Further columns kept for slices and reports. */
  meta?: Record<string, string>;
}
