import { DecantError } from '../util/errors.ts';
import type { ClassList } from './classes.ts';
import { createLeakIndex, inputKey } from './clean.ts';
import { type ExampleSet, heldSet } from './example-set.ts';
import { fingerprintText } from './fingerprint.ts';
import {
  classesFrom,
  hasClasses,
  mayLackAnswers,
  mustHaveRows,
  type PreparedData,
  type PrepareOptions,
  type SplitName,
  type SplitPlan,
} from './prepare.ts';
import type { ProblemLog } from './problems.ts';
import { createReader, type OpenedSplit } from './reader.ts';
import { createSplitTally, type DataReport } from './report.ts';
import { shuffled } from './shuffle.ts';
import type { DataSpec } from './spec.ts';
import type { Example } from './types.ts';

/** At most this many rows are held out of a streamed split. */
const HELD_OUT = 5000;
/** Slots of the table that remembers recent rows: a repeated row is found unless a later one took its slot. */
const TABLE = 1 << 20;
const MANY_CLASSES = 10_000;

/** One bit per row: set for rows that are not delivered. */
function createBits() {
  let words = new Uint32Array(1024);
  return {
    set(row: number) {
      if (row >>> 5 >= words.length) {
        const larger = new Uint32Array(Math.max(words.length * 2, (row >>> 5) + 1));
        larger.set(words);
        words = larger;
      }
      words[row >>> 5] |= 1 << (row & 31);
    },
    has: (row: number): boolean => ((words[row >>> 5] ?? 0) & (1 << (row & 31))) !== 0,
  };
}

/** The `size` entries of smallest rank, a uniform sample that does not depend on how many there will be. */
function createSample<T>(size: number) {
  const kept: { rank: number; value: T }[] = [];
  let worst = Number.POSITIVE_INFINITY;
  return {
    kept,
    offer(rank: number, value: T) {
      if (size === 0 || (kept.length >= size && rank >= worst)) return;
      let low = 0;
      for (let high = kept.length; low < high; ) {
        const middle = (low + high) >> 1;
        if (kept[middle].rank <= rank) low = middle + 1;
        else high = middle;
      }
      kept.splice(low, 0, { rank, value });
      if (kept.length > size) kept.pop();
      if (kept.length === size) worst = kept[size - 1].rank;
    },
  };
}

/**
 * The streamed form of `prepareData`: training splits are scanned once or twice now and read from disk in every epoch.
 * Memory: the shuffle buffer, at most 5,000 held-out rows, a fixed table of recent fingerprints, and one bit per row.
 * Exact duplicates and contradictions are found among the last million or so distinct rows; near-duplicates only
 * between training and held-out rows.
 */
export async function prepareStream(
  spec: DataSpec,
  options: PrepareOptions,
  plan: SplitPlan,
  log: ProblemLog,
  started: number,
): Promise<PreparedData> {
  const { task } = options;
  if (spec.balance !== 'none')
    throw new DecantError('recipe', 'classes cannot be evened out while streaming', {
      at: 'data.balance',
      seen: spec.balance,
      allowed: 'none',
    });
  const scans: Partial<Record<SplitName, Awaited<ReturnType<typeof scan>>>> = {};
  for (const name of ['train', 'teacher', 'unlabeled'] as const)
    if (plan.opened[name]) scans[name] = await scan(plan.opened[name], name, spec, options, log);
  const train = scans.train!;
  mustHaveRows({ length: train.usable }, train.rows, plan.opened.train, log);
  const seen = new Set([...train.labels.keys(), ...(scans.teacher?.labels.keys() ?? [])]);
  const classes = hasClasses(task)
    ? classesFrom(spec, plan.opened.train.set.classes, seen, plan.opened.train.source.label)
    : undefined;

  const held: Partial<Record<'validation' | 'test', Example[]>> = {};
  for (const name of ['validation', 'test'] as const) {
    const split = plan.opened[name];
    if (split) held[name] = (await readAll(split, name, spec, options, classes, log)).items;
    else held[name] = takeHeldOut(train, plan.shares[name] ?? 0, classes);
  }

  const leaks = spec.duplicates.leaks;
  const index =
    leaks === 'off'
      ? undefined
      : createLeakIndex(
          (['test', 'validation'] as const).map((split) => ({ split, items: held[split] ?? [] })),
          spec.duplicates.near.threshold,
          spec.duplicates.near.action !== 'off',
        );

  const splits: Partial<Record<SplitName, ExampleSet>> = {};
  const report: DataReport = {
    task,
    form: train.form,
    columns: train.columns,
    classes: classes?.names,
    splits: {},
    samples: [],
    streaming: true,
    seconds: 0,
  };
  for (const name of ['train', 'teacher', 'unlabeled'] as const) {
    const scanned = scans[name];
    const split = plan.opened[name];
    if (!scanned || !split) continue;
    const rows = () => delivered(split, name, spec, options, classes, scanned.aside);
    const tally = createSplitTally(split.source.label, classes?.names);
    let size = 0;
    for await (const { row, example, unknown } of rows()) {
      const hit = index?.find(example);
      const remove =
        unknown !== undefined ||
        (hit !== undefined && leaks === 'remove' && !example.features) ||
        (split.limit !== undefined && size >= split.limit);
      const at = { file: example.file, line: example.line, split: name };
      if (unknown !== undefined)
        log.add({
          ...at,
          kind: 'unknown-label',
          message: `${JSON.stringify(unknown)} is not one of the ${classes!.names.length} classes`,
        });
      else if (hit) log.add({ ...at, ...hit, kept: !remove });
      if (remove) scanned.aside.set(row);
      else {
        size++;
        tally.add(example);
      }
    }
    report.splits[name] = tally.finish(scanned.rows, log, name);
    splits[name] = {
      size,
      async *read({ seed, epoch = 0, from = 0 } = {}) {
        const inOrder = examplesOf(rows());
        if (seed !== undefined) {
          yield* shuffled(inOrder, { seed: `${seed}/${epoch}`, buffer: spec.streaming!.buffer, from });
          return;
        }
        let passOver = from;
        for await (const example of inOrder) if (passOver-- <= 0) yield example;
      },
    };
  }
  for (const name of ['validation', 'test'] as const) {
    const items = held[name];
    if (!items?.length) continue;
    splits[name] = heldSet(items);
    const tally = createSplitTally(
      plan.opened[name]?.source.label ?? `held out of ${plan.opened.train.source.label}`,
      classes?.names,
    );
    for (const e of items) tally.add(e);
    report.splits[name] = tally.finish(items.length, log, name);
  }
  report.samples = log.samples();
  report.seconds = (performance.now() - started) / 1000;
  return {
    task,
    form: train.form,
    classes: classes?.names,
    splits: splits as PreparedData['splits'],
    report,
  };
}

async function* examplesOf(rows: AsyncIterable<{ example: Example }>): AsyncGenerator<Example> {
  for await (const { example } of rows) yield example;
}

/** First pass: problems, labels, duplicates among recent rows, and a uniform sample to hold out. */
async function scan(
  split: OpenedSplit,
  name: SplitName,
  spec: DataSpec,
  options: PrepareOptions,
  log: ProblemLog,
) {
  const reader = createReader(split, options.task, spec, name === 'unlabeled');
  const aside = createBits();
  const labels = new Map<string, number>();
  const sample = createSample<{ row: number; example: Example; label?: string }>(
    name === 'train' ? HELD_OUT : 0,
  );
  const inputs = new Float64Array(TABLE);
  const answers = new Float64Array(TABLE);
  let rows = 0;
  let usable = 0;
  for await (const batch of reader.read()) {
    for (const item of batch) {
      rows++;
      if ('problem' in item) {
        log.add(item.problem);
        aside.set(item.row);
        continue;
      }
      const { example, label } = item;
      const input = fingerprintText(inputKey(example)) || 1;
      const answer = label === undefined ? 1 : fingerprintText(label) || 1;
      const slot = input % TABLE;
      if (inputs[slot] === input) {
        const kind = answers[slot] === answer ? 'duplicate' : 'contradiction';
        const policy = kind === 'duplicate' ? spec.duplicates.exact : spec.contradictions;
        const remove = policy === 'remove' && !(kind === 'duplicate' && example.features);
        const message =
          kind === 'duplicate'
            ? 'the same as an earlier row'
            : `class ${JSON.stringify(label)} here, another class in an earlier row`;
        log.add({ kind, file: example.file, line: example.line, message, split: name, kept: !remove });
        if (remove) {
          aside.set(item.row);
          continue;
        }
      }
      inputs[slot] = input;
      answers[slot] = answer;
      usable++;
      if (label !== undefined) {
        labels.set(label, (labels.get(label) ?? 0) + 1);
        if (labels.size > MANY_CLASSES)
          throw new DecantError('data', `more than ${MANY_CLASSES} different labels`, {
            at: `${example.file}:${example.line}`,
            fix: 'is data.columns.label the right column?',
          });
      }
      sample.offer(fingerprintText(inputKey(example), spec.seed + 1), { row: item.row, example, label });
    }
  }
  const columns = Object.fromEntries((reader.plan?.readers ?? []).map((r) => [r.role, r.columns.join(', ')]));
  return { rows, usable, labels, aside, sample, form: reader.plan?.form.name ?? '', columns };
}

/** Takes rows of the sample out of the stream: a share of all usable rows, at most 5,000 for both parts together. */
function takeHeldOut(
  train: Awaited<ReturnType<typeof scan>>,
  share: number,
  classes: ClassList | undefined,
): Example[] {
  const wanted = Math.min(
    Math.round(share < 1 ? share * train.usable : share),
    Math.floor(train.usable / 2),
    HELD_OUT / 2,
  );
  const out: Example[] = [];
  for (const { value } of train.sample.kept.splice(0, wanted)) {
    const label = classes ? (value.label === undefined ? -1 : classes.indexOf(value.label)) : undefined;
    if (classes && label === undefined) continue;
    train.aside.set(value.row);
    out.push(classes ? { ...value.example, label } : value.example);
  }
  return out;
}

async function* delivered(
  split: OpenedSplit,
  name: SplitName,
  spec: DataSpec,
  options: PrepareOptions,
  classes: ClassList | undefined,
  aside: { has(row: number): boolean },
): AsyncGenerator<{ row: number; example: Example; unknown?: string }> {
  const reader = createReader(split, options.task, spec, name === 'unlabeled');
  for await (const batch of reader.read()) {
    for (const item of batch) {
      if ('problem' in item || aside.has(item.row)) continue;
      const label = classes ? (item.label === undefined ? -1 : classes.indexOf(item.label)) : undefined;
      const example = classes ? { ...item.example, label: label ?? -1 } : item.example;
      yield { row: item.row, example, unknown: classes && label === undefined ? item.label : undefined };
    }
  }
}

async function readAll(
  split: OpenedSplit,
  name: SplitName,
  spec: DataSpec,
  options: PrepareOptions,
  classes: ClassList | undefined,
  log: ProblemLog,
) {
  const items: Example[] = [];
  const reader = createReader(split, options.task, spec, mayLackAnswers(name, options.task));
  for await (const batch of reader.read()) {
    for (const item of batch) {
      if ('problem' in item) {
        log.add(item.problem);
        continue;
      }
      const label = classes ? (item.label === undefined ? -1 : classes.indexOf(item.label)) : undefined;
      if (classes && label === undefined)
        log.add({
          kind: 'unknown-label',
          file: item.example.file,
          line: item.example.line,
          message: `${JSON.stringify(item.label)} is not one of the classes`,
          split: name,
        });
      else items.push(classes ? { ...item.example, label } : item.example);
    }
  }
  return { items };
}
