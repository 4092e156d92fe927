import type { z } from 'zod';
import type { Engine } from '../../engine/engine.ts';
import type { Example } from '../types.ts';

/** One thing that was done to a row: which step, and which model wrote or judged. */
export interface Trace {
  readonly step: string;
  /** Identity of the teacher that was asked, a content hash. */
  readonly by?: string;
  /** What was asked for, in short: sample number, template, verdict. */
  readonly note?: string;
  /** Key of the stored answer that the row's response is made of, where the teacher keeps its answers. */
  readonly answer?: string;
}

/** A row between text and training data. Steps make new rows and change none. */
export interface TextRecord extends Example {
  /** What steps found out about the row: score, agreement, answer, log-probability. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  /** What was done to the row, oldest first; `file` and `line` say where it began. */
  readonly trail?: readonly Trace[];
}

/** How text is asked for. */
export interface WriteOptions {
  /** Texts per prompt. */
  readonly samples?: number;
  /** 0: the likeliest text. */
  readonly temperature?: number;
  readonly topP?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Longest text in tokens. */
  readonly maxTokens?: number;
  /** Texts that end an answer; they are cut off. */
  readonly stop?: readonly string[];
  readonly seed?: number | string;
  /** The rows that the prompts were made of, where there is one for each: several teachers are chosen by it. */
  readonly rows?: readonly TextRecord[];
}

/** One text that a teacher wrote. */
export interface Written {
  readonly text: string;
  /** Σ log p of its tokens, nats, where the teacher tells. */
  readonly logp?: number;
  /** False when it was cut at the longest length. */
  readonly finished: boolean;
  /** Key of the whole answer in the store of a teacher that keeps its answers. */
  readonly answer?: string;
  /** Identity of the one that wrote it, where the teacher is several. */
  readonly by?: string;
}

/** Anything that continues text: a local language model, or a model behind an API. */
export interface TextTeacher {
  readonly name: string;
  /** Content hash of everything its answers depend on beside the question. */
  readonly id: string;
  /** Texts per prompt, in order; a prompt without a usable answer has none. */
  write(prompts: readonly string[], options: WriteOptions): Promise<readonly (readonly Written[])[]>;
}

/** Where vectors come from: a model folder, or an endpoint. */
export type VectorSource =
  | string
  | {
      readonly provider?: string;
      readonly baseURL?: string;
      readonly model: string;
      readonly keyEnv?: string;
      readonly budget?: { readonly money?: number; readonly tokens?: number };
      readonly prices?: string;
    };

/** A sentence encoder: a local folder, or an endpoint with embeddings. */
export interface TextVectors {
  /** Content hash of everything its vectors depend on beside the text. */
  readonly id: string;
  /** One vector per text, in order. */
  embed(texts: readonly string[]): Promise<readonly Float32Array[]>;
}

/** What a step may use beside rows and options. */
export interface StepContext {
  readonly seed: number | string;
  /** Validation and test rows, which must not come into training. */
  readonly held: readonly TextRecord[];
  /** The training rows as they were read, before any step. */
  readonly given: readonly TextRecord[];
  /** Rows without answers, for the teacher. */
  readonly pool: readonly TextRecord[];
  /** Rated rows (`good`), for a critic. */
  readonly rated: readonly TextRecord[];
  /** Absent when the recipe's teacher writes no text. */
  readonly teacher?: TextTeacher;
  /** The student as it is by now, where the run goes in rounds. */
  readonly student?: TextTeacher;
  /** Gives vectors of texts, kept by their content. */
  readonly vectors?: TextVectors;
  /** Trains what a step learns (a critic). */
  readonly engine?: Engine;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Removed {
  readonly record: TextRecord;
  readonly reason: string;
}

export interface StepResult {
  readonly kept: readonly TextRecord[];
  readonly removed: readonly Removed[];
  /** Figures for the report: cutoff, area under the curve, agreement. */
  readonly figures?: Readonly<Record<string, string | number>>;
}

/** One small transformation of rows: pure, but for what the context lends it. */
// biome-ignore lint/suspicious/noExplicitAny: lists hold steps of any options
export interface DataStep<O = any> {
  readonly name: string;
  /** One line for the documentation. */
  readonly about: string;
  readonly options: z.ZodObject;
  /** Raised when the code changes what comes out: stored results of other versions are not used. */
  readonly version: number;
  /** Parts of the context that the result depends on; without a teacher that is needed nothing is begun. */
  readonly needs: readonly ('teacher' | 'student' | 'held' | 'given' | 'pool' | 'rated' | 'engine')[];
  /** The encoder whose vectors the step wants with these options. */
  readonly vectors?: (options: O) => VectorSource | undefined;
  run(records: readonly TextRecord[], options: O, context: StepContext): StepResult | Promise<StepResult>;
}

/** Types a step's options from its schema. */
export const defineStep = <S extends z.ZodObject>(
  step: Omit<DataStep<z.output<S>>, 'options'> & { options: S },
): DataStep<z.output<S>> => step;

/** Splits rows by a reason for removal; undefined keeps the row. */
export function removing(
  records: readonly TextRecord[],
  reasonOf: (record: TextRecord, index: number) => string | undefined,
): StepResult {
  const kept: TextRecord[] = [];
  const removed: Removed[] = [];
  records.forEach((record, i) => {
    const reason = reasonOf(record, i);
    if (reason === undefined) kept.push(record);
    else removed.push({ record, reason });
  });
  return { kept, removed };
}

/** The row with further facts and one more entry in its trail. */
export const traced = (record: TextRecord, trace: Trace, facts: TextRecord['facts'] = {}): TextRecord => ({
  ...record,
  facts: { ...record.facts, ...facts },
  trail: [...(record.trail ?? []), trace],
});
