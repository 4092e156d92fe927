import { type Document, isMap, isScalar, parse } from 'yaml';
import { DecantError } from '../util/errors.ts';
import { didYouMean } from '../util/suggest.ts';
import { defOf, describeSchema, keysAt, type Path, parsePath, schemasAt, showPath } from './paths.ts';
import { recipeSchema } from './schema/recipe.ts';

/** One `--set path=value`. */
export interface Override {
  path: (string | number)[];
  value: unknown;
  text: string;
}

/** What a shorthand stands for, so that `--set method.options.t=2` also works on `method: kd`. */
const longForm = (path: Path): string | undefined =>
  path.length === 1 && path[0] === 'method'
    ? 'name'
    : path.length === 2 && path[0] === 'data'
      ? 'source'
      : undefined;

/**
 * Reads `path=value`: the path must exist in the recipe schema, the value is YAML (`3`, `1e-3`, `[1, 2]`, `true`), and
 * stays text where only text is taken. Errors: `usage` with the nearest path.
 */
export function parseOverride(text: string, current: unknown): Override {
  const at = text.indexOf('=');
  if (at < 1)
    throw new DecantError('usage', 'expected path=value', {
      at: '--set',
      seen: text,
      fix: 'for example --set train.epochs=3',
    });
  const path = parsePath(text.slice(0, at).trim());
  const raw = text.slice(at + 1);
  const schemas = schemasAt(recipeSchema, path, current);
  if (schemas.length === 0) throw unknownPath(path, current, text);
  const textOnly = schemas.every((s) => defOf(s).type === 'string' || defOf(s).type === 'enum');
  return { path, value: textOnly ? raw : parseValue(raw, text), text };
}

function parseValue(raw: string, text: string): unknown {
  try {
    return parse(raw) ?? null;
  } catch (cause) {
    throw new DecantError(
      'usage',
      `the value is not valid YAML: ${(cause as Error).message.split('\n')[0]}`,
      {
        at: `--set ${text}`,
        fix: 'quote it for the shell and for YAML: --set "name=\'a: b\'"',
        cause,
      },
    );
  }
}

function unknownPath(path: Path, current: unknown, text: string): DecantError {
  let known = path.length;
  while (known > 0 && schemasAt(recipeSchema, path.slice(0, known), current).length === 0) known--;
  const keys = keysAt(recipeSchema, path.slice(0, known), current);
  const near = didYouMean(String(path[known]), keys);
  const parent = schemasAt(recipeSchema, path.slice(0, known), current);
  return new DecantError('usage', `the recipe has no ${JSON.stringify(showPath(path.slice(0, known + 1)))}`, {
    at: `--set ${text}`,
    allowed:
      keys.length > 0
        ? keys.map((k) => showPath([...path.slice(0, known), k])).join(', ')
        : `${showPath(path.slice(0, known))} takes ${describeSchema(parent)}`,
    fix: near,
  });
}

/** Puts an override into the document; a shorthand on the way is written out first. */
export function applyOverride(doc: Document, { path, value }: Override): void {
  for (let i = 1; i < path.length; i++) {
    const at = path.slice(0, i);
    const node = doc.getIn(at, true);
    const key = longForm(at);
    if (isScalar(node) && node.value !== null && key && path[i] !== key)
      doc.setIn(at, doc.createNode({ [key]: node.value }));
    else if (node === undefined || (isScalar(node) && !isMap(node)))
      doc.setIn(at, doc.createNode(typeof path[i] === 'number' ? [] : {}));
  }
  doc.setIn(path, doc.createNode(value));
}
