import { DecantError } from '../util/errors.ts';
import { didYouMean } from '../util/suggest.ts';
import { type Form, type Role, type RoleName, roles, taskForms } from './roles.ts';
import type { ColumnMap, Task } from './types.ts';

/** How to read each role from a row: which columns, joined how. */
export interface ColumnPlan {
  form: Form;
  readers: {
    role: RoleName;
    spec: Role;
    columns: string[];
    read: (values: Record<string, unknown>) => unknown;
  }[];
  /** Extra columns kept as they are. */
  keep: string[];
}

export interface ColumnRequest {
  task: Task;
  /** Columns of the source, in order. */
  columns: string[];
  /** The recipe's own mapping; it wins. */
  mapped: ColumnMap;
  /** The source's suggestion, used where its columns exist. */
  suggested?: ColumnMap;
  keep?: string[];
  /** Whether rows without a gold answer are wanted (an unlabelled pool). */
  unlabelled?: boolean;
  /** For messages. */
  at: string;
}

const TEMPLATE = /\{([^{}]+)\}/g;
const isTemplate = (text: string): boolean => /\{[^{}]+\}/.test(text);

/** Columns that a mapping entry names. */
const columnsOf = (entry: string | string[]): string[] =>
  Array.isArray(entry) ? entry : isTemplate(entry) ? [...entry.matchAll(TEMPLATE)].map((m) => m[1]) : [entry];

/** Chooses the task's form that the columns allow, or throws `data` with what is missing and what is there. */
export function planColumns(request: ColumnRequest): ColumnPlan {
  const { task, columns, mapped, at } = request;
  const forms = taskForms[task];
  checkMapping(request);
  const tried: string[] = [];
  for (const form of forms) {
    if (form.pool && !request.unlabelled) continue;
    const needed = request.unlabelled ? form.needs : [...form.needs, ...form.gold];
    const entries = new Map<RoleName, string | string[]>();
    const taken = new Set(Object.values(mapped).flatMap(columnsOf));
    for (const role of [...form.needs, ...form.gold, ...form.may]) {
      const entry = entryFor(role, request, taken);
      if (entry === undefined) continue;
      entries.set(role, entry);
      for (const column of columnsOf(entry)) taken.add(column);
    }
    const absent = needed.filter((role) => !entries.has(role));
    // A recipe that maps a role has chosen a form with that role.
    const unused = Object.keys(mapped).filter((role) => !entries.has(role as RoleName));
    if (absent.length === 0 && unused.length === 0)
      return { form, keep: request.keep ?? [], readers: readers(entries, columns) };
    tried.push(`${needed.join(' + ')}`);
  }
  const missing = forms[0].needs.concat(request.unlabelled ? [] : forms[0].gold).join(' and ');
  throw new DecantError('data', `the columns do not give what task ${task} needs`, {
    at,
    seen: columns.length > 30 ? [...columns.slice(0, 30), '...'] : columns,
    allowed: tried.join(', or '),
    fix: `map them, for example data.columns: {${taskExample(forms[0], columns)}} (${missing})`,
  });
}

const taskExample = (form: Form, columns: string[]): string =>
  [...form.needs, ...form.gold].map((role, i) => `${role}: ${columns[i] ?? '...'}`).join(', ');

function checkMapping({ mapped, columns, task, at, keep = [] }: ColumnRequest): void {
  const known = [...new Set(taskForms[task].flatMap((f) => [...f.needs, ...f.gold, ...f.may]))];
  for (const [role, entry] of Object.entries(mapped)) {
    if (!known.includes(role as RoleName))
      throw new DecantError('data', `task ${task} has no role ${JSON.stringify(role)}`, {
        at: `${at}: data.columns.${role}`,
        allowed: known.join(', '),
        fix: didYouMean(role, known),
      });
    for (const column of columnsOf(entry))
      if (column !== '*') mustHave(column, columns, `${at}: data.columns.${role}`);
  }
  for (const column of keep) mustHave(column, columns, `${at}: data.keep`);
}

function mustHave(column: string, columns: string[], at: string): void {
  if (columns.includes(column)) return;
  throw new DecantError('data', 'no such column', {
    at,
    seen: column,
    allowed: columns.slice(0, 30).join(', '),
    fix: didYouMean(column, columns),
  });
}

function entryFor(role: RoleName, request: ColumnRequest, taken: Set<string>): string | string[] | undefined {
  const { mapped, suggested, columns } = request;
  if (mapped[role] !== undefined) return mapped[role];
  const hint = suggested?.[role];
  if (hint !== undefined && columnsOf(hint).every((c) => c === '*' || columns.includes(c))) return hint;
  const free = (name: string): string | undefined =>
    columns.find((c) => c.toLowerCase() === name.toLowerCase() && !taken.has(c));
  for (const name of [role, ...roles[role].aliases]) {
    const column = free(name);
    if (column !== undefined) return column;
  }
  return undefined;
}

function readers(entries: Map<RoleName, string | string[]>, columns: string[]): ColumnPlan['readers'] {
  const others = (role: RoleName): string[] => {
    const used = new Set([...entries].filter(([r]) => r !== role).flatMap(([, e]) => columnsOf(e)));
    return columns.filter((c) => !used.has(c));
  };
  return [...entries].map(([role, entry]) => {
    const spec: Role = roles[role];
    if (spec.kind === 'features') {
      const names = entry === '*' ? others(role) : columnsOf(entry);
      const read = (values: Record<string, unknown>): unknown =>
        names.length === 1 && typeof values[names[0]] === 'object'
          ? values[names[0]]
          : names.map((c) => values[c]);
      return { role, spec, columns: names, read };
    }
    const names = columnsOf(entry);
    if (typeof entry === 'string' && isTemplate(entry))
      return {
        role,
        spec,
        columns: names,
        read: (values) => entry.replace(TEMPLATE, (_, c: string) => String(values[c] ?? '')),
      };
    if (Array.isArray(entry))
      return {
        role,
        spec,
        columns: names,
        read: (values) =>
          names
            .map((c) => String(values[c] ?? ''))
            .filter((t) => t !== '')
            .join('\n'),
      };
    return { role, spec, columns: names, read: (values) => values[entry] };
  });
}
