import { DecantError } from '../util/errors.ts';
import { type ColumnPlan, planColumns } from './columns.ts';
import { toExample } from './examples.ts';
import { excerpt } from './problems.ts';
import { roles } from './roles.ts';
import { concatenated, type OpenOptions, openReference, parseReference } from './sources/open.ts';
import type { DataSpec, SplitSpec } from './spec.ts';
import {
  type Example,
  isProblem,
  type Problem,
  type Source,
  type SourceItem,
  type SourceSet,
  type Task,
} from './types.ts';

/** Opens references once each and remembers them, since several splits often come from one set. */
export function createOpener(spec: DataSpec, options: Pick<OpenOptions, 'baseDir' | 'dataRoot' | 'hub'>) {
  const open = new Map<string, Promise<SourceSet>>();
  const { format, encoding, delimiter, names, textUnit, image, acceptChanged } = spec;
  return (reference: string): Promise<SourceSet> => {
    const key = reference.replace(/#[A-Za-z0-9_-]+$/, '');
    let set = open.get(key);
    if (!set) {
      set = openReference(key, {
        ...options,
        format,
        encoding,
        delimiter,
        names,
        textUnit,
        image,
        acceptChanged,
        options: spec.options,
      });
      open.set(key, set);
    }
    return set;
  };
}
export type Opener = ReturnType<typeof createOpener>;

export interface OpenedSplit {
  /** `train`, `test`, ... as the recipe names it. */
  name: string;
  source: Source;
  set: SourceSet;
  limit?: number;
  unlabelled?: boolean;
}

/** Names under which a set's own split is looked for, per split of the recipe. */
const preferred: Record<string, string[]> = {
  train: ['train', 'all'],
  validation: ['validation', 'all'],
  test: ['test', 'all'],
  unlabeled: ['unlabeled', 'all', 'train'],
  teacher: ['history', 'train', 'all'],
  rated: ['rated', 'all', 'train'],
};

/** The source of one split of the recipe. Errors: `data` when the set has no such split. */
export async function openSplit(name: string, spec: SplitSpec, opener: Opener): Promise<OpenedSplit> {
  const references = Array.isArray(spec.source) ? spec.source : [spec.source];
  const opened = await Promise.all(
    references.map(async (text) => {
      const set = await opener(text);
      const wanted = parseReference(text).split;
      const own = wanted ?? preferred[name].find((s) => set.splits[s]) ?? onlySplit(set);
      if (own !== undefined && set.splits[own]) return { set, source: set.splits[own] };
      throw new DecantError('data', wanted ? `no split ${JSON.stringify(wanted)}` : `no split for ${name}`, {
        at: `data.${name}: ${text}`,
        allowed: Object.keys(set.splits).join(', '),
        fix: `name one: ${set.label}#${Object.keys(set.splits)[0]}`,
      });
    }),
  );
  const [first] = opened;
  return {
    name,
    set: first.set,
    source: opened.length === 1 ? first.source : concatenated(opened.map((o) => o.source)),
    limit: spec.limit,
    unlabelled: spec.unlabelled,
  };
}

const onlySplit = (set: SourceSet): string | undefined => {
  const names = Object.keys(set.splits);
  return names.length === 1 ? names[0] : undefined;
};

export interface RowReader {
  /** Set once the first rows were seen. */
  plan?: ColumnPlan;
  read(): AsyncGenerator<(({ example: Example; label?: string } | { problem: Problem }) & { row: number })[]>;
}

/** Rows of a split as examples without class indices (the label as written is beside), or as problems. */
export function createReader(
  split: OpenedSplit,
  task: Task,
  spec: DataSpec,
  mayLackAnswers: boolean,
): RowReader {
  const unlabelled = mayLackAnswers || split.unlabelled === true;
  const reader: RowReader = {
    async *read() {
      let position = 0;
      for await (const batch of split.source.batches()) {
        // the next file of a pool may have other columns
        if (reader.plan && unlabelled && isForeign(batch, reader.plan)) reader.plan = undefined;
        reader.plan ??= planFor(batch, split, task, spec, unlabelled);
        const plan = reader.plan;
        const options = plan && { plan, normalize: spec.normalize, unlabelled };
        yield batch.map((item) => {
          const row = position++;
          if (isProblem(item)) return { row, problem: { ...item.problem, split: split.name } };
          if (!options)
            return {
              row,
              problem: {
                kind: 'missing',
                file: item.file,
                line: item.line,
                message: 'no columns',
                split: split.name,
                raw: excerpt(item.values),
              },
            };
          const made = toExample(item, options);
          if ('problem' in made) return { row, problem: { ...made.problem, split: split.name } };
          return split.unlabelled
            ? { row, example: withoutGold(made.example, options.plan) }
            : { row, example: made.example, label: made.label };
        });
      }
    },
  };
  return reader;
}

/** Whether rows have none of the columns that the plan needs. */
function isForeign(batch: SourceItem[], plan: ColumnPlan): boolean {
  const first = batch.find((item) => !isProblem(item));
  if (!first || isProblem(first)) return false;
  const needed = plan.readers.filter((r) => plan.form.needs.includes(r.role)).flatMap((r) => r.columns);
  return needed.length > 0 && !needed.some((column) => Object.hasOwn(first.values, column));
}

function planFor(
  batch: SourceItem[],
  split: OpenedSplit,
  task: Task,
  spec: DataSpec,
  unlabelled: boolean,
): ColumnPlan | undefined {
  const columns = new Set<string>();
  for (const item of batch)
    if (!isProblem(item)) for (const column of Object.keys(item.values)) columns.add(column);
  if (columns.size === 0) return undefined;
  return planColumns({
    task,
    columns: [...columns].filter((c) => c !== 'shape' || !columns.has('image')),
    mapped: mappedHere(spec, columns, unlabelled),
    suggested: split.set.columns,
    keep: unlabelled ? spec.keep.filter((c) => columns.has(c)) : spec.keep,
    unlabelled,
    at: split.source.label,
  });
}

/** An example as if nobody had said what its answer is. */
function withoutGold(example: Example, plan: ColumnPlan): Example {
  const gold = new Set<string>(plan.form.gold.map((role) => roles[role].field));
  return Object.fromEntries(
    Object.entries(example).filter(([field]) => !gold.has(field)),
  ) as unknown as Example;
}

/** An unlabelled split need not have the columns of the answers. */
function mappedHere(spec: DataSpec, columns: Set<string>, unlabelled: boolean): DataSpec['columns'] {
  if (!unlabelled) return spec.columns;
  return Object.fromEntries(
    Object.entries(spec.columns).filter(([, entry]) => {
      const names = Array.isArray(entry) ? entry : [entry];
      return names.every((n) => n === '*' || n.includes('{') || columns.has(n));
    }),
  );
}
