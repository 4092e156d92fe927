import { builtinOptions, builtins } from './builtins.ts';
import { datasets } from './datasets.ts';
import { problemKinds } from './types.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** Markdown table of the public sets. */
export function documentDatasets(): string {
  const rows = Object.entries(datasets).map(([name, d]) => {
    const splits = Object.keys(d.splits).join(', ');
    const shown = d.kind === 'arrays' || d.kind === 'rows' ? splits : 'train, validation, test';
    return `| \`${name}\` | ${cell(d.what)} | ${d.tasks.join(', ')} | ${shown} | ${Object.keys(d.files)
      .map((f) => `\`${f}\``)
      .join(', ')} | ${cell(d.licence)} | ${cell(d.origin)} |`;
  });
  return [
    '| name | what | tasks | splits | files in its folder (each also as .gz) | licence | origin |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/** Markdown of the generated sets and their options. */
export async function documentBuiltins(): Promise<string> {
  const out: string[] = [];
  for (const [name, entry] of Object.entries(builtins)) {
    const schema = (await builtinOptions(name)) as {
      properties: Record<string, { default?: unknown; description?: string }>;
    };
    out.push(
      `### builtin:${name}`,
      '',
      `${entry.what.charAt(0).toUpperCase()}${entry.what.slice(1)}. Tasks: ${entry.tasks.join(', ')}. Splits: ${entry.splits.join(', ')}.`,
      '',
    );
    out.push('| option | default | what for |', '| --- | --- | --- |');
    for (const [key, o] of Object.entries(schema.properties))
      out.push(`| \`${key}\` | \`${JSON.stringify(o.default)}\` | ${cell(o.description ?? '')} |`);
    out.push('');
  }
  return out.join('\n').trimEnd();
}

/** Markdown table of the kinds of problems. */
export const documentProblems = (): string =>
  [
    '| kind | what |',
    '| --- | --- |',
    ...Object.entries(problemKinds).map(([kind, what]) => `| \`${kind}\` | ${what} |`),
  ].join('\n');
