import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import type { Path } from './paths.ts';
import type { Finding } from './schema/recipe.ts';

export interface Position {
  line: number;
  column: number;
}

/** A YAML text with the positions of its nodes. */
export interface YamlRecipe {
  /** For messages: the file as the user named it. */
  file: string;
  doc: Document;
  position(offset: number): Position;
  /** Syntax errors, with their position. */
  errors: (Finding & Position)[];
}

const LARGEST = 1 << 20;

/** Parses without throwing; nothing is validated yet. */
export function parseYaml(text: string, file: string): YamlRecipe {
  const lines = new LineCounter();
  const tooLarge = text.length > LARGEST;
  const doc = parseDocument(tooLarge ? '' : text.replace(/^\ufeff/, ''), {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
  });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const errors: YamlRecipe['errors'] = [...doc.errors, ...doc.warnings].map((e) => ({
    path: [],
    message: explainSyntax(e.code, e.message, text),
    ...position(e.pos[0]),
  }));
  if (tooLarge) errors.push({ path: [], message: 'is larger than 1 MiB: not a recipe', line: 1, column: 1 });
  else if (errors.length === 0 && !isMap(doc.contents))
    errors.push({
      path: [],
      message: 'expected a mapping such as "version: 1", "task: classify", ...',
      line: 1,
      column: 1,
    });
  return { file, doc, position, errors };
}

function explainSyntax(code: string, message: string, text: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key is given twice in the same mapping';
  if (code === 'TAB_AS_INDENT') return 'a tab is used for indentation; YAML takes spaces only';
  if (code === 'MULTIPLE_DOCS' || text.split(/^---\s*$/m).length > 2)
    return 'a recipe is one YAML document, without --- in between';
  return `not valid YAML: ${message}`;
}

/** Offset of the value at a path, of its key (`key: true`), or of the nearest enclosing node; undefined when nothing is near. */
export function offsetOf(doc: Document, path: Path, key = false): number | undefined {
  let node: unknown = doc.contents;
  let offset = rangeOf(node);
  for (const [i, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(doc);
    let next: unknown;
    let at: number | undefined;
    if (isMap(node)) {
      const pair = node.items.find(
        (p: Pair) => String(isScalar(p.key) ? p.key.value : p.key) === String(part),
      );
      next = pair?.value;
      at = i === path.length - 1 && key ? rangeOf(pair?.key) : (rangeOf(next) ?? rangeOf(pair?.key));
    } else if (isSeq(node) && typeof part === 'number') {
      next = node.items[part];
      at = rangeOf(next);
    }
    if (at === undefined && next !== undefined) {
      // A mapping made by a migration or an override has no place of its own, but what it holds may.
      node = next;
      continue;
    }
    // `method: kd` has no node for method.name: the place of the shorthand is the right one.
    if (at === undefined && isScalar(node)) return offset;
    if (at === undefined) {
      // Nothing there: the key of the mapping that lacks it.
      return i === 0 ? (offset ?? 0) : (offsetOf(doc, path.slice(0, i), true) ?? offset);
    }
    offset = at;
    node = next;
  }
  return offset;
}

const rangeOf = (node: unknown): number | undefined => (node as Node | undefined)?.range?.[0];
