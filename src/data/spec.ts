import type { DuplicatePolicy } from './clean.ts';
import type { TextNormalization } from './normalize.ts';
import type { ImageForm } from './sources/image-codec.ts';
import type { Format } from './sources/open.ts';
import type { TextUnit } from './sources/text.ts';
import type { Balance } from './split.ts';
import type { ColumnMap } from './types.ts';

export interface SplitSpec {
  /** One reference or several read one after the other. */
  source: string | string[];
  /** At most this many examples, a seeded stratified sample. */
  limit?: number;
  /** Labels are not looked at, as if nobody had given them. */
  unlabelled?: boolean;
}

/** The `data` section of a recipe with its defaults filled in. */
export interface DataSpec {
  train: SplitSpec;
  /** A source, or a share (below 1) or number of training rows to hold out; absent: the set's own split, else 0.1. */
  validation?: SplitSpec | number;
  /** Likewise; absent: the set's own test split, else 0.2. */
  test?: SplitSpec | number;
  /** Inputs without answers, for the teacher to label. */
  unlabeled?: SplitSpec;
  /** Labelled rows that only the teacher is trained on. */
  teacher?: SplitSpec;
  /** Rows with prompt, response and whether it is good, for a critic. */
  rated?: SplitSpec;
  /** Training rows and pool are prompts, with responses or without, whatever the task: pairs are made of them in the run. */
  prompts?: boolean;
  columns: ColumnMap;
  keep: string[];
  classes?: string[];
  format?: Format;
  encoding?: string;
  delimiter?: string;
  names?: string[];
  textUnit?: TextUnit;
  image?: ImageForm;
  options?: Record<string, unknown>;
  /** What is done with a graph (node-classify). */
  graph?: {
    /** Share of the test nodes that training does not see; only they are measured then. */
    inductive?: number;
    features?: 'standardize' | 'rows' | 'none';
  };
  acceptChanged: boolean;
  normalize: TextNormalization;
  duplicates: DuplicatePolicy;
  /** The same input with different labels. */
  contradictions: 'remove' | 'report';
  balance: Balance;
  /** Read training splits from disk in every epoch instead of holding them; `buffer` examples are shuffled at a time. */
  streaming?: { buffer: number };
  seed: number;
}

/** Defaults of every optional field; the recipe schema shows the same. */
export const dataDefaults = {
  columns: {},
  keep: [],
  acceptChanged: false,
  normalize: { unicode: 'NFC', whitespace: 'collapse', lowercase: false },
  duplicates: { exact: 'remove', near: { action: 'report', threshold: 0.9 }, leaks: 'remove' },
  contradictions: 'remove',
  balance: 'none',
  seed: 1,
} as const satisfies Omit<DataSpec, 'train'>;

/** Share of the training rows held out when nothing is said. */
export const defaultShare = { validation: 0.1, test: 0.2 } as const;
