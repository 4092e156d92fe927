/**
 * Writes docs/losses.md from the docstrings of src/losses: `npm run docs:losses`. The page is checked by a test, and
 * every example in it is run.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

export interface DocEntry {
  /** File name without extension. */
  family: string;
  name: string;
  kind: 'function' | 'type';
  /** `name(a, b, options)`, or the declaration of a type. */
  signature: string;
  description: string;
  params: { name: string; text: string }[];
  returns?: string;
  source?: string;
  /** An expression and the JSON of its value. */
  examples: { code: string; value: string }[];
}

const FOLDER = fileURLToPath(new URL('../src/losses', import.meta.url));
export const PAGE = fileURLToPath(new URL('../docs/losses.md', import.meta.url));

/** Files whose exports the page lists: one per family, in the order of `src/losses/index.ts`. */
export function lossFamilies(): string[] {
  const index = readFileSync(join(FOLDER, 'index.ts'), 'utf8');
  return [...index.matchAll(/from '\.\/([\w-]+)\.ts'/g)].map((m) => m[1]);
}

/** Source files that hold losses: everything in the folder but tests, vectors, helpers and the index. */
export const lossFiles = (): string[] =>
  readdirSync(FOLDER)
    .filter((f) => f.endsWith('.ts') && !/\.(test|vectors)\.ts$/.test(f))
    .map((f) => f.replace(/\.ts$/, ''))
    .filter((f) => f !== 'index' && f !== 'numerics')
    .sort();

const clean = (text: string | undefined): string => (text ?? '').replace(/\s*\n\s*/g, ' ').trim();

function docOf(node: ts.Node): Omit<DocEntry, 'family' | 'name' | 'kind' | 'signature'> {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const doc = docs[docs.length - 1];
  const text = (c: ts.JSDoc['comment']): string =>
    typeof c === 'string' ? c : (ts.getTextOfJSDocComment(c) ?? '');
  const out: ReturnType<typeof docOf> = { description: '', params: [], examples: [] };
  if (!doc) return out;
  out.description = clean(plainLinks(text(doc.comment)));
  for (const tag of doc.tags ?? []) {
    const body = plainLinks(text(tag.comment));
    if (ts.isJSDocParameterTag(tag)) out.params.push({ name: tag.name.getText(), text: clean(body) });
    else if (tag.tagName.text === 'returns') out.returns = clean(body);
    else if (tag.tagName.text === 'source') out.source = clean(body);
    else if (tag.tagName.text === 'example') {
      for (const line of body.split('\n')) {
        const at = line.lastIndexOf(' // => ');
        if (at > 0) out.examples.push({ code: line.slice(0, at).trim(), value: line.slice(at + 7).trim() });
      }
    }
  }
  return out;
}

const plainLinks = (text: string): string => text.replace(/\{@link\s+([\w.]+)\s*\}/g, '`$1`');

/** The exported functions and types of a family. */
export function documented(family: string): DocEntry[] {
  const file = join(FOLDER, `${family}.ts`);
  const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
  const entries: DocEntry[] = [];
  const exported = (n: ts.Statement): boolean =>
    ts.canHaveModifiers(n) && (ts.getModifiers(n) ?? []).some((m) => m.kind === ts.SyntaxKind.ExportKeyword);
  const callOf = (name: string, parameters: readonly ts.ParameterDeclaration[]): string =>
    `${name}(${parameters.map((p) => (ts.isIdentifier(p.name) ? p.name.text : 'options') + (p.questionToken || p.initializer ? '?' : '')).join(', ')})`;
  for (const node of tree.statements) {
    if (!exported(node)) continue;
    const doc = docOf(node);
    if (ts.isFunctionDeclaration(node) && node.name)
      entries.push({
        family,
        name: node.name.text,
        kind: 'function',
        signature: callOf(node.name.text, [...node.parameters]),
        ...doc,
      });
    else if (ts.isVariableStatement(node)) {
      for (const d of node.declarationList.declarations) {
        if (!ts.isIdentifier(d.name) || !d.initializer || !ts.isArrowFunction(d.initializer)) continue;
        entries.push({
          family,
          name: d.name.text,
          kind: 'function',
          signature: callOf(d.name.text, [...d.initializer.parameters]),
          ...doc,
        });
      }
    } else if (ts.isInterfaceDeclaration(node)) {
      const members = node.members.filter(ts.isPropertySignature).map((m) => {
        const about = clean(
          ts.getTextOfJSDocComment(ts.getJSDocCommentsAndTags(m).filter(ts.isJSDoc).at(-1)?.comment),
        );
        return {
          name: `${m.name.getText()}${m.questionToken ? '?' : ''}: ${clean(m.type?.getText())}`,
          text: about,
        };
      });
      entries.push({
        family,
        name: node.name.text,
        kind: 'type',
        signature: node.name.text,
        ...doc,
        params: members,
      });
    }
  }
  return entries;
}

const TITLES: Record<string, string> = {
  adaptive: 'Adaptive KL',
  alignment: 'Aligning two tokenizations',
  anchored: 'Anchored preferences',
  binary: 'Binary labels',
  calibration: 'Calibration and agreement',
  chunked: 'Divergences in chunks',
  classification: 'Classification',
  contrastive: 'Contrastive',
  divergences: 'Divergences',
  features: 'Features and projectors',
  labels: 'Labels',
  minilm: 'MiniLM relations',
  policy: 'Policies and rewards',
  preference: 'Preference pairs with a reference',
  'preference-family': 'Preference losses by name',
  ranking: 'Ranking',
  reduce: 'Masks and means',
  'reference-free': 'Preference pairs without a reference',
  relations: 'Relations',
  reward: 'Reward models',
  sequence: 'Sequence log-probabilities',
  sparse: 'Top-k teachers',
  subclasses: 'Subclasses',
  uld: 'Universal logit distillation',
  unpaired: 'Single completions',
};

const HEAD = `# Losses

Generated by \`npm run docs:losses\` from the docstrings in \`src/losses\`; the examples are run by the tests.

Losses are pure functions of tensors, un-reduced: they return one number per row, pair or token, and the caller takes the
mean (\`maskedMean\`). An argument's name says its space: \`…Logits\` are raw scores, \`…Logp\` natural log-probabilities
(-∞ is a class of no mass), \`…P\` probabilities. The teacher, the reference and everything called a constant get no
gradient. A source names an equation where its number was seen, in a copy of the paper or in a public text that cites it;
elsewhere it names the definition, section or code that is followed, or says that the formula is unnumbered. The formula
itself always stands here in full. \`none\` marks what has no source in the literature. In the examples \`constant\` makes a
tensor of numbers and \`// =>\` shows its value.
`;

/** The whole page. */
export function page(): string {
  const parts = [HEAD];
  for (const family of lossFamilies()) {
    parts.push(`## ${TITLES[family] ?? family}\n`);
    for (const e of documented(family)) {
      if (e.kind === 'type') {
        const rows = e.params.map((p) => `  - \`${p.name}\`${p.text ? `: ${p.text}` : ''}`);
        parts.push(
          [`* **\`${e.name}\`**${e.description ? ` ${e.description}` : ''}`, ...rows, ''].join('\n'),
        );
        continue;
      }
      const lines = [`### \`${e.signature}\`\n`, e.description, ''];
      for (const p of e.params) lines.push(`- \`${p.name}\`: ${p.text}`);
      if (e.returns) lines.push(`- returns ${e.returns}`);
      if (e.source) lines.push(`- source: ${e.source}`);
      if (e.params.length || e.returns || e.source) lines.push('');
      if (e.examples.length)
        lines.push('```ts', ...e.examples.map((x) => `${x.code} // => ${x.value}`), '```', '');
      parts.push(lines.join('\n'));
    }
  }
  return `${parts
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) writeFileSync(PAGE, page());
