/**
 * Everything a report shows, as plain JSON: `report.json` is this object, `report.html` its rendering. Numbers are
 * raw (shares from 0 to 1, bytes, milliseconds, seconds); the rendering formats them.
 */
export interface ReportData {
  version: 1;
  /** Name of the run. */
  title: string;
  /** classify, generate, embed, rank … */
  task: string;
  /** Name of the method, as in the recipe. */
  method: string;
  /** ISO 8601. */
  created: string;
  /** The metric of the headline and the charts: a key of `metrics`. */
  metric: string;
  /** What the columns mean, in the order they are shown. */
  metrics: ReportMetric[];
  /** Where the labels of the test part come from; without gold labels the report says accuracy is unknown. */
  gold: { kind: 'all' } | { kind: 'sample'; size: number } | { kind: 'none' };
  headline: ReportHeadline;
  arms: ReportArm[];
  /** Paired comparisons of arms on the same examples. */
  comparisons: ReportComparison[];
  curves: ReportCurve[];
  reliability: ReportReliability[];
  confusion?: ReportConfusion;
  slices?: ReportSlices;
  examples: ReportExample[];
  /** What generative models drew, beside real rows. */
  samples?: ReportSamples;
  data: ReportDataFacts;
  environment: ReportFact[];
  cost?: ReportCost;
  /** Things a reader must know before trusting the numbers. */
  warnings: string[];
  /** The resolved recipe. */
  recipe?: string;
}

export interface ReportMetric {
  key: string;
  /** As in a column head: "Accuracy". */
  label: string;
  /** One line: what it is and on what it was measured. */
  about?: string;
  /** percent: share shown as 91.2 %; number: 3 digits; the rest by unit. */
  format: 'percent' | 'number';
  /** Which direction is better; undefined where neither is. */
  better?: 'higher' | 'lower';
}

/** A value with its spread. */
export interface ReportValue {
  /** Mean over seeds. */
  mean: number;
  /** Standard deviation over seeds; absent for a single run. */
  sd?: number;
  /** Confidence interval (95 %) over test examples. */
  low?: number;
  high?: number;
  perSeed?: number[];
}

export type ArmRole = 'teacher' | 'distilled' | 'alone' | 'linear' | 'other';

export interface ReportArm {
  id: string;
  role: ArmRole;
  /** As in the tables: "Student, distilled". */
  name: string;
  /** One line about the model: "bag of words, 64 wide". */
  about?: string;
  seeds: (number | string)[];
  /** By metric key; a missing one is shown as a dash. */
  values: Record<string, ReportValue>;
  parameters?: number;
  /** Size of the exported file, and of its int8 variant. */
  bytes?: number;
  int8Bytes?: number;
  latency?: ReportLatency[];
  trainSeconds?: number;
}

export interface ReportLatency {
  /** float32, int8 … */
  variant?: string;
  batch: number;
  /** Milliseconds per call. */
  p50: number;
  p95: number;
  /** Inputs per second. */
  throughput: number;
}

export interface ReportHeadline {
  /** Share of the teacher's metric that was kept, with its paired interval; absent where it is not known. */
  kept?: { estimate: number; low: number; high: number; level: number };
  /** Share of the gap between the student alone and the teacher that was closed. */
  gapClosed?: { estimate: number; low: number; high: number };
  /** One sentence that says what came out, shortfalls included. */
  sentence: string;
}

export interface ReportComparison {
  /** "Distilled minus alone". */
  name: string;
  metric: string;
  difference: number;
  low: number;
  high: number;
  p: number;
  test: string;
}

export interface ReportCurve {
  arm: string;
  seed: number | string;
  /** `train` or the name of an evaluated split. */
  split: string;
  /** Loss term or metric. */
  term: string;
  steps: number[];
  values: number[];
}

export interface ReportReliability {
  arm: string;
  ece: number;
  bins: { confidence: number; accuracy: number; count: number }[];
}

export interface ReportConfusion {
  /** Arm whose mistakes are listed. */
  arm: string;
  examples: number;
  pairs: { label: string; predicted: string; count: number; share: number; teacherCount?: number }[];
}

export interface ReportSlices {
  metric: string;
  rows: { slice: string; count: number; values: Record<string, ReportValue>; small?: boolean }[];
}

export interface ReportExample {
  input: string;
  /** A picture of the input, as a data URL. */
  image?: string;
  gold?: string;
  teacher: ReportAnswer;
  student: ReportAnswer;
  /** Whose answer stands under `teacher` where it is not the teacher's: "Reference". */
  versus?: string;
}

/** Generated samples: points of two columns, or pictures as data URLs. The first panel shows real rows. */
export interface ReportSamples {
  kind: 'points' | 'images';
  /** Names of the two columns of points. */
  axes?: [string, string];
  panels: { title: string; points?: [number, number][]; images?: string[] }[];
}

export interface ReportAnswer {
  text: string;
  /** Probability of the answer. */
  confidence?: number;
  correct?: boolean;
}

export interface ReportDataFacts {
  splits: { name: string; rows: number; labelled?: number; about?: string }[];
  duplicates: { kind: string; count: number; action: string }[];
  problems: { kind: string; count: number; action: string; examples?: { where: string; text: string }[] }[];
  /** Sizes of the classes in training, largest first. */
  classes?: { name: string; count: number }[];
  /** What was done to the training rows before a model saw them, in order. */
  steps?: ReportStep[];
  /** Histogram of input lengths, both ends inside the bin; `unit` such as words or tokens. */
  lengths?: { unit: string; bins: { from: number; to: number; count: number }[] };
}

/** One step from text to training data. */
export interface ReportStep {
  name: string;
  /** Rows that went in and came out. */
  before: number;
  after: number;
  removed: number;
  /** The commonest reasons for removal, with their numbers of rows. */
  reasons: Record<string, number>;
  figures: Record<string, string | number>;
}

export interface ReportFact {
  name: string;
  value: string;
}

export interface ReportCost {
  rows: { item: string; amount: string; note?: string }[];
  total?: string;
}
