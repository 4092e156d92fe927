import type { ReportStep } from '../evaluate/report/data.ts';
import { DecantError } from '../util/errors.ts';
import { type ClassList, classNamesFrom, createClassList } from './classes.ts';
import { createLeakIndex, withoutContradictions, withoutDuplicates, withoutLeaks } from './clean.ts';
import { type ExampleSet, heldSet } from './example-set.ts';
import type { PreparedGraph } from './graph-prepare.ts';
import { createProblemLog, type ProblemLog } from './problems.ts';
import { createOpener, createReader, type OpenedSplit, openSplit } from './reader.ts';
import { createSplitTally, type DataReport } from './report.ts';
import type { HubData } from './sources/open.ts';
import { type DataSpec, defaultShare, type SplitSpec } from './spec.ts';
import { balanceClasses, takeStratified } from './split.ts';
import type { Example, Problem, Task } from './types.ts';

export const splitNames = ['train', 'validation', 'test', 'unlabeled', 'teacher', 'rated'] as const;
export type SplitName = (typeof splitNames)[number];

export interface PrepareOptions {
  task: Task;
  /** Relative paths start here: the folder of the recipe. */
  baseDir: string;
  /** Folder of the public sets (DECANT_DATA). */
  dataRoot?: string;
  hub?: HubData;
  /** Receives every problem; the report keeps only samples. */
  onProblem?: (problem: Problem) => void;
  /** A look before a run: near-duplicates are not searched for. */
  quick?: boolean;
}

export interface PreparedData {
  task: Task;
  form: string;
  /** Class names in index order, for tasks with classes. */
  classes?: string[];
  splits: Partial<Record<SplitName, ExampleSet>> & { train: ExampleSet };
  report: DataReport;
  /** What steps did to the training rows. */
  steps?: readonly ReportStep[];
  /** The graph whose nodes the examples are (node-classify). */
  graph?: PreparedGraph;
}

export const hasClasses = (task: Task): boolean =>
  task === 'classify' || task === 'image-classify' || task === 'node-classify';

/** Whether rows of a split may lack the answer: a pool always; held-out rows where agreement with the teacher is still a figure. */
export const mayLackAnswers = (name: string, task: Task): boolean =>
  name === 'unlabeled' || (hasClasses(task) && (name === 'test' || name === 'validation'));

/** Rated rows have a verdict beside prompt and response, whatever the task; prompts are to be answered and judged yet. */
const taskOfSplit = (name: SplitName, task: Task, { prompts }: DataSpec): Task =>
  name === 'rated' ? 'prefer' : prompts && (name === 'train' || name === 'unlabeled') ? 'generate' : task;

/** Columns that a split's rows are read by: only rated rows have a verdict, and nothing but prompt and response beside it. */
function columnsFor(name: SplitName, spec: DataSpec, task: Task): DataSpec {
  if (task === 'prefer') return spec;
  const { good, prompt, response } = spec.columns;
  if (name !== 'rated')
    return good === undefined ? spec : { ...spec, columns: without(spec.columns, 'good') };
  const columns = Object.entries({ good, prompt, response }).filter(([, c]) => c !== undefined);
  return { ...spec, columns: Object.fromEntries(columns) as DataSpec['columns'], keep: [] };
}

const without = <T>(record: Record<string, T>, key: string): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([k]) => k !== key));

/** Where each split comes from: opened sources, and shares to be held out of the training rows. */
export interface SplitPlan {
  opened: Partial<Record<SplitName, OpenedSplit>> & { train: OpenedSplit };
  shares: { validation?: number; test?: number };
}

/** Opens every split that the recipe names or the training set brings itself. */
export async function openSplits(spec: DataSpec, options: PrepareOptions): Promise<SplitPlan> {
  const opener = createOpener(spec, options);
  const train = await openSplit('train', spec.train, opener);
  const plan: SplitPlan = { opened: { train }, shares: {} };
  const explicit = typeof spec.train.source === 'string' && spec.train.source.includes('#');
  for (const name of ['validation', 'test'] as const) {
    const wanted = spec[name];
    if (typeof wanted === 'number') plan.shares[name] = wanted;
    else if (wanted) plan.opened[name] = await openSplit(name, wanted, opener);
    else if (!explicit && train.set.splits[name])
      plan.opened[name] = { name, set: train.set, source: train.set.splits[name] };
    else plan.shares[name] = defaultShare[name];
  }
  for (const name of ['unlabeled', 'teacher', 'rated'] as const) {
    const wanted: SplitSpec | undefined = spec[name];
    if (wanted) plan.opened[name] = await openSplit(name, wanted, opener);
  }
  return plan;
}

/** Class list: the recipe's, else the set's own, else the labels that occur. Errors: `data` for fewer than two. */
export function classesFrom(
  spec: DataSpec,
  own: string[] | undefined,
  seen: Iterable<string>,
  at: string,
): ClassList {
  const names = spec.classes ?? own ?? classNamesFrom(seen);
  if (names.length < 2)
    throw new DecantError('data', 'classification needs at least two classes', {
      at,
      seen: names,
      fix: 'check data.columns.label, or list data.classes',
    });
  return createClassList(names);
}

/** The label as written beside each example, until classes are known. */
interface Labelled {
  example: Example;
  label?: string;
}

/**
 * Reads, cleans and splits the data of a recipe, all in memory (streamed when `spec.streaming` is set). Every row that
 * is not used is counted by reason, with its line; nothing is dropped in silence. Errors: `data`.
 */
export async function prepareData(asked: DataSpec, options: PrepareOptions): Promise<PreparedData> {
  const started = performance.now();
  const spec: DataSpec = options.quick
    ? { ...asked, duplicates: { ...asked.duplicates, near: { ...asked.duplicates.near, action: 'off' } } }
    : asked;
  if (options.task === 'node-classify')
    return (await import('./graph-prepare.ts')).prepareGraph(spec, options);
  const log = createProblemLog(options.onProblem);
  const plan = await openSplits(spec, options);
  if (spec.streaming) return (await import('./stream.ts')).prepareStream(spec, options, plan, log, started);

  const { task } = options;
  const rows: Partial<Record<SplitName, number>> = {};
  const raw: Partial<Record<SplitName, Labelled[]>> = {};
  let form = '';
  let columns: Record<string, string> = {};
  for (const name of splitNames) {
    const split = plan.opened[name];
    if (!split) continue;
    const reader = createReader(
      split,
      taskOfSplit(name, task, spec),
      columnsFor(name, spec, task),
      mayLackAnswers(name, task) || (spec.prompts === true && name === 'train'),
    );
    const items: Labelled[] = [];
    let count = 0;
    for await (const batch of reader.read()) {
      for (const item of batch) {
        count++;
        if ('problem' in item) log.add(item.problem);
        else items.push(item);
      }
    }
    rows[name] = count;
    raw[name] = items;
    if (name === 'train') {
      form = reader.plan?.form.name ?? '';
      columns = Object.fromEntries((reader.plan?.readers ?? []).map((r) => [r.role, r.columns.join(', ')]));
    }
  }
  mustHaveRows(raw.train!, rows.train!, plan.opened.train, log);

  const labels = [...raw.train!, ...(raw.teacher ?? [])].flatMap((i) => i.label ?? []);
  const classes = hasClasses(task)
    ? classesFrom(spec, plan.opened.train.set.classes, labels, plan.opened.train.source.label)
    : undefined;
  const parts = {} as Record<SplitName, Example[]>;
  for (const name of splitNames) if (raw[name]) parts[name] = withClasses(raw[name], classes, name, log);

  cleanParts(parts, spec, log, classes?.names);
  if (plan.opened.train.limit) parts.train = limited(parts.train, plan.opened.train.limit, spec.seed);
  for (const name of ['test', 'validation'] as const) {
    const share = plan.shares[name];
    if (share) {
      const count = share < 1 ? Math.round(share * parts.train.length) : share;
      if (count >= parts.train.length)
        throw new DecantError('data', `more rows are to be held out than there are`, {
          at: `data.${name}`,
          seen: share,
          allowed: `below ${parts.train.length}`,
        });
      const { taken, rest } = takeStratified(parts.train, count, `${spec.seed}/${name}`);
      parts[name] = taken;
      parts.train = rest;
    } else if (plan.opened[name]?.limit)
      parts[name] = limited(parts[name], plan.opened[name].limit, spec.seed);
  }
  for (const name of ['unlabeled', 'teacher', 'rated'] as const)
    if (parts[name] && plan.opened[name]?.limit)
      parts[name] = limited(parts[name], plan.opened[name].limit, spec.seed);
  removeLeaks(parts, spec, log);
  parts.train = balanceClasses(parts.train, spec.balance, spec.seed);

  const report: DataReport = {
    task,
    form,
    columns,
    classes: classes?.names,
    splits: {},
    samples: [],
    streaming: false,
    seconds: 0,
  };
  for (const name of splitNames) {
    if (!parts[name]?.length) continue;
    const tally = createSplitTally(
      plan.opened[name]?.source.label ?? `held out of ${plan.opened.train.source.label}`,
      classes?.names,
    );
    for (const e of parts[name]) tally.add(e);
    const aside = Object.values(log.counts(name).aside).reduce((a, b) => a + b, 0);
    report.splits[name] = tally.finish(rows[name] ?? parts[name].length + aside, log, name);
  }
  report.samples = log.samples();
  report.seconds = (performance.now() - started) / 1000;
  const splits = Object.fromEntries(Object.entries(parts).map(([name, items]) => [name, heldSet(items)]));
  return { task, form, classes: classes?.names, splits: splits as PreparedData['splits'], report };
}

/** Errors with the commonest reason when nothing usable was read. */
export function mustHaveRows(
  items: { length: number },
  rows: number,
  split: OpenedSplit,
  log: ProblemLog,
): void {
  if (items.length > 0) return;
  const [worst] = Object.entries(log.counts(split.name).aside).sort((a, b) => b[1] - a[1]);
  const sample = log.samples(1).find((p) => p.kind === worst?.[0]);
  throw new DecantError('data', rows === 0 ? 'no rows' : `none of ${rows} rows can be used`, {
    at: split.source.label,
    seen: worst
      ? `${worst[1]} rows: ${worst[0]}${sample ? `, first at line ${sample.line}: ${sample.message}` : ''}`
      : undefined,
    fix:
      worst?.[0] === 'encoding'
        ? 'set data.encoding, for example windows-1252'
        : 'run "decant data" on this source to see every problem',
  });
}

function withClasses(
  items: Labelled[],
  classes: ClassList | undefined,
  split: string,
  log: ProblemLog,
): Example[] {
  if (!classes) return items.map((i) => i.example);
  const out: Example[] = [];
  for (const { example, label } of items) {
    const index = label === undefined ? -1 : classes.indexOf(label);
    if (index === undefined)
      log.add({
        kind: 'unknown-label',
        file: example.file,
        line: example.line,
        message: `${JSON.stringify(label)} is not one of the ${classes.names.length} classes`,
        split,
      });
    else {
      example.label = index;
      out.push(example);
    }
  }
  return out;
}

function cleanParts(
  parts: Record<SplitName, Example[]>,
  spec: DataSpec,
  log: ProblemLog,
  classes?: readonly string[],
): void {
  for (const name of ['train', 'teacher', 'unlabeled'] as const) {
    if (!parts[name]) continue;
    parts[name] = withoutContradictions(parts[name], name, spec.contradictions === 'remove', log, classes);
    // A pool is only searched for near-duplicates when they are to go: it is large, and a report of them helps nobody.
    const near =
      name === 'unlabeled' && spec.duplicates.near.action === 'report' ? 'off' : spec.duplicates.near.action;
    parts[name] = withoutDuplicates(
      parts[name],
      name,
      { ...spec.duplicates, near: { ...spec.duplicates.near, action: near } },
      log,
    );
  }
  // Held-out splits stay as they are, so that figures compare with published ones; their flaws are only noted.
  for (const name of ['validation', 'test'] as const) {
    if (!parts[name]) continue;
    withoutContradictions(parts[name], name, false, log, classes);
    withoutDuplicates(
      parts[name],
      name,
      { exact: 'report', near: { action: 'off', threshold: 1 }, leaks: 'off' },
      log,
    );
  }
}

const limited = (items: Example[], limit: number, seed: number): Example[] =>
  items.length <= limit ? items : takeStratified(items, limit, `${seed}/limit`).taken;

function removeLeaks(parts: Record<SplitName, Example[]>, spec: DataSpec, log: ProblemLog): void {
  const { leaks, near } = spec.duplicates;
  if (leaks === 'off') return;
  const held = (['test', 'validation'] as const)
    .filter((n) => parts[n]?.length)
    .map((split) => ({ split, items: parts[split] }));
  const remove = leaks === 'remove';
  if (parts.validation && parts.test) {
    const test = createLeakIndex(
      held.filter((h) => h.split === 'test'),
      near.threshold,
      near.action !== 'off',
    );
    parts.validation = withoutLeaks(parts.validation, 'validation', test, remove, log);
  }
  const index = createLeakIndex(held, near.threshold, near.action !== 'off');
  for (const name of ['train', 'teacher', 'unlabeled'] as const)
    if (parts[name]) parts[name] = withoutLeaks(parts[name], name, index, remove, log);
}
