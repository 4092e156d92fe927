import type { DataReport, LengthSummary } from '../data/report.ts';
import type { ProblemKind } from '../data/types.ts';
import { problemKinds } from '../data/types.ts';
import { type Output, textTable, whole } from './io.ts';

/** A data report for people: splits, problems with their first places, classes, lengths. */
export function showData(report: DataReport, colour: Output['colour']): string {
  const out: string[] = [];
  const columns = Object.entries(report.columns).map(
    ([role, column]) => `${role} <- ${column.length > 40 ? `${column.slice(0, 37)}...` : column}`,
  );
  out.push(`task ${report.task} (${report.form}): ${columns.join(', ')}`, '');
  out.push(
    textTable(
      ['split', 'rows', 'kept', 'elsewhere', 'aside', 'noted', 'source'],
      Object.entries(report.splits).map(([name, s]) => [
        name,
        whole(s.rows),
        whole(s.kept),
        whole(s.moved),
        whole(sum(s.problems.aside)),
        whole(sum(s.problems.noted)),
        s.source,
      ]),
    ),
  );
  const problems = problemRows(report);
  if (problems.length > 0)
    out.push('', colour.yellow('problems'), textTable(['kind', 'split', 'rows', 'done', 'first'], problems));
  if (report.classes) out.push('', classes(report));
  for (const { name, like } of report.splits.train?.balance?.lookalikes ?? [])
    out.push(
      colour.yellow(`class ${JSON.stringify(name)} may be ${JSON.stringify(like)}, written in another way`),
    );
  const train = report.splits.train;
  if (train?.words) out.push('', `words per row of train: ${summary(train.words)}`, bars(train.words));
  if (train?.input)
    out.push(
      '',
      'image' in train.input
        ? `images of ${train.input.image.join(' x ')}`
        : `${train.input.features} features`,
    );
  return out.join('\n');
}

const sum = (counts: Partial<Record<string, number>>): number =>
  Object.values(counts).reduce<number>((a, b) => a + (b ?? 0), 0);

function problemRows(report: DataReport): string[][] {
  return Object.entries(report.splits).flatMap(([split, { problems }]) =>
    (['aside', 'noted'] as const).flatMap((part) =>
      Object.entries(problems[part]).map(([kind, n]) => {
        const first = report.samples.find(
          (p) => p.kind === kind && p.split === split && Boolean(p.kept) === (part === 'noted'),
        );
        const place = first
          ? `${first.file}:${first.line} ${first.message}`
          : problemKinds[kind as ProblemKind];
        return [
          kind,
          split,
          whole(n ?? 0),
          part === 'aside' ? 'put aside' : 'kept',
          place.length > 110 ? `${place.slice(0, 107)}...` : place,
        ];
      }),
    ),
  );
}

function classes(report: DataReport): string {
  const names = report.classes ?? [];
  const balance = report.splits.train?.balance;
  if (!balance) return `${names.length} classes`;
  if (balance.counts.every((n) => n === 0))
    return `${names.length} classes; the rows of train carry no labels`;
  const order = names.map((name, i) => ({ name, n: balance.counts[i] ?? 0 })).sort((a, b) => b.n - a.n);
  const shown = order.length <= 8 ? order : [...order.slice(0, 4), ...order.slice(-3)];
  const list = shown.map((c) => `${c.name} ${whole(c.n)}`);
  if (order.length > 8) list.splice(4, 0, '...');
  return `${names.length} classes in train, largest over smallest ${balance.imbalance.toFixed(1)}${balance.absent.length > 0 ? `, without a row: ${balance.absent.slice(0, 5).join(', ')}` : ''}: ${list.join(', ')}`;
}

const summary = (s: LengthSummary): string =>
  `${s.min} to ${whole(s.max)}, mean ${s.mean.toFixed(1)}, median ${s.median.toFixed(0)}, 95 % up to ${s.p95.toFixed(0)}`;

function bars(s: LengthSummary): string {
  const most = Math.max(...s.histogram.map((b) => b.count));
  return s.histogram
    .map(
      (b) =>
        `${b.upTo > 1e9 ? 'more' : `<= ${b.upTo}`}`.padStart(8) +
        `  ${'█'.repeat(Math.max(1, Math.round((30 * b.count) / most)))} ${whole(b.count)}`,
    )
    .join('\n');
}
