import type { z } from 'zod';
import type { TextRecord } from '../data/steps/step.ts';
import type { NDArray, Tensor } from '../graph/index.ts';
import type { DiffusionSetting } from '../losses/diffusion/setting.ts';
import type { ParamSpecs } from '../nn/params.ts';
import type { Scope } from '../nn/scope.ts';
import type { Terms } from '../train/terms.ts';
import type { LossModels, ModelCalls, RandomNumbers } from './calls.ts';
import type { Curation } from './curation.ts';

/** What a method can ask of a teacher; `weights`: its network, to be called inside the loss. */
export type Signal = 'text' | 'topk' | 'logits' | 'hidden' | 'score' | 'weights';

export type Family =
  | 'logits'
  | 'features'
  | 'language'
  | 'preference'
  | 'data'
  | 'ranking'
  | 'graph'
  | 'generative'
  | 'prompting'
  | 'theory';

export interface MethodMeta {
  readonly title: string;
  readonly year: number;
  /** Where the paper is: an arXiv number or a DOI. */
  readonly link: string;
  /** One sentence: what the method does that plain distillation does not. */
  readonly summary: string;
  /** Where paper and authors' code differ, or where this file departs from both, and which is followed. */
  readonly deviations: readonly string[];
}

export interface MethodNeeds {
  /** Tasks of a recipe that the method can serve. */
  readonly tasks: readonly string[];
  /** Any one of these sets of signals is enough; [] for methods without a teacher. */
  readonly signals: readonly (readonly Signal[])[];
  /** Whether the training examples must carry labels. */
  readonly labels: 'required' | 'optional' | 'unused';
  /** Whether teacher and student must share their vocabulary (or class list). */
  readonly sameVocabulary: boolean;
  /** False when only the teacher's hidden activations are read, so that the student's width does not matter. */
  readonly studentHidden?: boolean;
}

/** The teacher's knowledge about the examples of a batch. Constants: no gradient flows into them. */
export interface TeacherSignals {
  /** `[batch, classes]` or `[batch, seq, vocab]` */
  readonly logits?: Tensor;
  /** The k largest log-probabilities and their ids, descending: `[..., k]`. */
  readonly topk?: { readonly ids: Tensor; readonly logp: Tensor };
  /** Activations by tap path. */
  readonly hidden?: Readonly<Record<string, Tensor>>;
  /** `[batch]` or `[batch, candidates]` */
  readonly score?: Tensor;
  /** Task prefer: log-probability of each response, `[batch, responses]` nats. */
  readonly logp?: Tensor;
  /** Rows of what the method's `prepare` made of the signals. */
  readonly prepared?: Readonly<Record<string, Tensor>>;
}

/** What the teacher said about all training rows, before the first step; for `prepare`. */
export interface PrepareInput {
  /** `[rows, classes]` */
  readonly logits?: NDArray;
  /** Activations by tap path, `[rows, ...]`: those that `teacherHidden` names. */
  readonly hidden: Readonly<Record<string, NDArray>>;
  /** The teacher's last layer, logits = weights · embedding + bias; where it has one. */
  readonly outputLayer?: { readonly weights: NDArray; readonly bias?: NDArray };
  /** Class ids `[rows]`; -100 where there is none. */
  readonly labels: Int32Array;
  readonly classes: number;
}

/** What a method computed on the host from the teacher's signals. All of it is constant in training. */
export interface Prepared {
  /** One row per training row, `[rows, ...]` float32: the rows of a batch are `teacher.prepared`. */
  readonly columns?: Readonly<Record<string, NDArray>>;
  /** The same for every batch: `constants` of the loss. */
  readonly constants?: Readonly<Record<string, NDArray>>;
  /** Figures for the run's journal. */
  readonly facts?: Readonly<Record<string, number>>;
}

export interface LossInput {
  /**
   * Outputs of the student's forward pass (`logits`, `pooled`, …), at the positions that are scored. A student with
   * `subclasses` outputs per class has them as `subclasses` `[batch, classes · S]`; its logits are the classes' sums.
   */
  readonly student: Readonly<Record<string, Tensor>>;
  /** Any activation of the student by tap path; `embedding` is what its output layer is given. */
  tap(path: string): Tensor;
  readonly teacher: TeacherSignals;
  /** Class ids `[batch]`, or next-token ids `[batch, seq]` aligned with the logits; int32, -100 where there is none. */
  readonly labels?: Tensor;
  /** float32; examples, labelled `[batch]`, tokens `[batch, seq]`. */
  readonly masks: { readonly examples: Tensor; readonly labelled: Tensor; readonly tokens?: Tensor };
  /** Further columns of the batch (preference log-probabilities, scores, margins …). */
  readonly columns: Readonly<Record<string, Tensor>>;
  /** The method's own scalars of this step (see `schedule`) and `progress`, step / steps in [0, 1]. */
  readonly scalars: Readonly<Record<string, Tensor>>;
  /** What `prepare` gave for all batches. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Extra trainable parts declared by `setup`. */
  readonly extra: Scope;
  /** For methods with `calls`: the models, to be called in the loss; `student` and `teacher` are then empty. */
  readonly models?: LossModels;
  /** For methods with `calls`. */
  readonly random?: RandomNumbers;
  /** For diffusion: noise levels, times, and what network outputs stand for. */
  readonly diffusion?: DiffusionSetting;
}

/** Scalars that change from step to step on the host and enter the graph as inputs. */
export interface Schedule<C> {
  init(config: C): Record<string, number>;
  /**
   * The values for the next step. `terms` are the reduced terms of the step just done, `step` counts finished steps
   * from 0. Pure: everything it remembers is in `state`, which checkpoints carry.
   */
  next(
    state: Readonly<Record<string, number>>,
    seen: { terms: Readonly<Record<string, number>>; step: number; steps: number },
    config: C,
  ): Record<string, number>;
}

/** A special case in which the loss must equal something known; a shared test compares both sides on random inputs. */
export interface Identity {
  /** For example "t = 1 is forward KL". */
  readonly name: string;
  /** Both sides, un-reduced, of one shape. They must agree in their gradients by the student's outputs. */
  check(input: LossInput): { readonly got: Tensor; readonly want: Tensor };
  /** Default 'both': values and gradients; 'gradient' for losses that differ by a constant. */
  readonly of?: 'both' | 'gradient';
}

/** What `setup` knows about the pair. Widths of activations by tap path. */
export interface SetupInfo {
  readonly studentWidth: (path: string) => number;
  readonly teacherWidth: (path: string) => number;
  readonly classes: number;
}

/** One published method with a loss, in one file. */
// biome-ignore lint/suspicious/noExplicitAny: the catalogue holds methods of any config
export interface Method<C = any> {
  readonly slug: string;
  readonly family: Family;
  readonly meta: MethodMeta;
  readonly needs: MethodNeeds;
  /** Strict; every default is the paper's, with its source in the description. */
  readonly config: z.ZodType<C>;
  /** Named, un-reduced terms of the loss. */
  loss(input: LossInput, config: C): Terms;
  /**
   * Rewrites the training rows before anything else looks at them: has the teacher write text, judges, filters, orders.
   * Works in steps (`given.step`), which are stored and reported. The baseline without teacher keeps the given rows.
   */
  curate?(given: Curation, config: C): Promise<readonly TextRecord[]>;
  /** Activations of the teacher that the method wants, by tap path; `embedding` is what its output layer is given. */
  teacherHidden?(config: C): readonly string[];
  /** Outputs per class that the student has in training; exported and measured, it has one score per class again. */
  subclasses?(config: C): number;
  /**
   * Computes on the host, once per run and before the first step, what the loss needs beyond the signals themselves.
   * Pure; randomness only from a seed in the config.
   */
  prepare?(config: C, signals: PrepareInput): Prepared | Promise<Prepared>;
  /** Parameters trained beside the student's (projectors), by name. */
  setup?(config: C, info: SetupInfo): ParamSpecs;
  /** The term whose gradient the others may not oppose: theirs lose the component against it (PCGrad on one side). */
  leading?(config: C): string | undefined;
  readonly schedule?: Schedule<C>;
  /** Task prefer: `mismatched` asks for one more response per row, that of another prompt (KTO's reference point). */
  readonly responses?: (config: C) => { readonly mismatched?: boolean };
  readonly identities?: readonly Identity[];
  /** The loss calls models itself: several times, at inputs of its own making. */
  readonly calls?: ModelCalls<C>;
}

/** Whether all that a method takes from its teacher is text: its loss then reads no column of the teacher. */
export const learnsFromText = ({ signals }: Pick<MethodNeeds, 'signals'>): boolean =>
  signals.length > 0 && signals.every((set) => set.length > 0 && set.every((s) => s === 'text'));

/** Types a method's config from its schema. */
export const defineMethod = <C>(method: Method<C>): Method<C> => method;
