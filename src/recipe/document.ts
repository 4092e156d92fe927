import { roles, taskForms } from '../data/roles.ts';
import { dataSteps } from '../train/steps.ts';
import { recipeJsonSchema } from './json-schema.ts';

interface Node {
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Node>;
  required?: string[];
  additionalProperties?: Node | boolean;
  items?: Node;
  prefixItems?: Node[];
  anyOf?: Node[];
  oneOf?: Node[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

/** Markdown tables of every key of a recipe: what it takes, its default, what it is for. Generated from the schema. */
export function documentRecipe(): string {
  const root = recipeJsonSchema() as Node;
  const out: string[] = [];
  const plain: string[] = [];
  for (const [key, node] of Object.entries(root.properties ?? {})) {
    const section = node.properties ? [node] : (node.oneOf ?? []).filter((n) => n.properties);
    if (section.length === 0) plain.push(row(key, node, root.required?.includes(key) ?? false));
    else if (section.length === 1)
      out.push(`### ${key}`, '', `${sentence(node.description ?? '')}`, '', table(section[0], ''), '');
    else {
      out.push(`### ${key}`, '', sentence(node.description ?? ''), '');
      for (const member of section) {
        const kind = String(member.properties?.kind?.const ?? '');
        out.push(`#### ${key}: kind ${kind}`, '', table(member, ''), '');
      }
    }
  }
  return ['### Top level', '', header, ...plain, '', ...out].join('\n').trimEnd();
}

/** Markdown tables of the roles of each task. */
export function documentTasks(): string {
  const rows = Object.entries(taskForms).flatMap(([task, forms]) =>
    forms.map(
      (f) =>
        `| \`${task}\` | ${f.name} | ${list(f.needs)} | ${list(f.gold) || '–'} | ${list(f.may) || '–'} |`,
    ),
  );
  const names = Object.entries(roles).map(
    ([name, r]) => `| \`${name}\` | ${r.what} | ${r.aliases.map((a) => `\`${a}\``).join(', ') || '–'} |`,
  );
  return [
    '| task | form | needs | needs where labelled | may have |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    '| role | what it is | column names taken without a mapping, besides its own |',
    '| --- | --- | --- |',
    ...names,
  ].join('\n');
}

/** Markdown tables of the options of every step of `data.steps`. */
export function documentSteps(): string {
  const root = recipeJsonSchema() as Node;
  const members = root.properties?.data?.properties?.steps?.items?.oneOf ?? [];
  return members
    .flatMap((m) => {
      const name = String(m.properties?.step?.const ?? '');
      const { step: _, ...properties } = m.properties ?? {};
      return [`#### ${name}`, '', sentence(dataSteps[name].about), '', table({ ...m, properties }, ''), ''];
    })
    .join('\n')
    .trimEnd();
}

const list = (names: readonly string[]): string => names.map((n) => `\`${n}\``).join(', ');

const header = '| key | takes | default | what for |\n| --- | --- | --- | --- |';

function table(node: Node, prefix: string): string {
  return [header, ...rows(node, prefix)].join('\n');
}

function rows(node: Node, prefix: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const path = `${prefix}${key}`;
    const own = row(path, child, node.required?.includes(key) ?? false);
    return child.properties ? [own, ...rows(child, `${path}.`)] : [own];
  });
}

function row(path: string, node: Node, required: boolean): string {
  const value =
    node.default === undefined ? (required ? '**required**' : '–') : `\`${JSON.stringify(node.default)}\``;
  return `| \`${path}\` | ${takes(node).replaceAll('|', '\\|')} | ${value} | ${(node.description ?? '').replaceAll('|', '\\|')} |`;
}

function takes(node: Node): string {
  if (node.enum) return node.enum.map((v) => `\`${String(v)}\``).join(', ');
  if (node.const !== undefined) return `\`${String(node.const)}\``;
  const members = node.anyOf ?? node.oneOf;
  if (members) return [...new Set(members.map(takes))].join(' or ');
  if (node.prefixItems) return `[${node.prefixItems.map(takes).join(', ')}]`;
  if (node.type === 'array') return `list of ${takes(node.items ?? {})}`;
  if (node.type === 'object') return node.properties ? 'mapping' : 'mapping of names to values';
  if (node.type === 'integer' || node.type === 'number')
    return `${node.type === 'integer' ? 'whole number' : 'number'}${range(node)}`;
  if (node.type === 'boolean') return '`true`, `false`';
  if (node.type === 'null') return '`null`';
  return node.type === 'string' ? 'text' : 'any value';
}

function range(node: Node): string {
  const low = node.exclusiveMinimum ?? node.minimum;
  const high = node.exclusiveMaximum ?? node.maximum;
  const bounded = (n: number | undefined): n is number =>
    n !== undefined && Math.abs(n) < Number.MAX_SAFE_INTEGER;
  const parts = [];
  if (bounded(low)) parts.push(`${node.exclusiveMinimum !== undefined ? 'above' : 'from'} ${low}`);
  if (bounded(high)) parts.push(`${node.exclusiveMaximum !== undefined ? 'below' : 'to'} ${high}`);
  return parts.length > 0 ? ` ${parts.join(' ')}` : '';
}

const sentence = (text: string): string =>
  text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
