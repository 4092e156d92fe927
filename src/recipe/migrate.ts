import { type Document, isMap, isScalar, Pair, Scalar } from 'yaml';
import { showPath } from './paths.ts';
import { recipeVersion } from './schema/recipe.ts';

/** One step from a version to the next: keys that moved. Values keep their positions, so errors still name their line. */
export interface Migration {
  from: number;
  moves: { from: string[]; to: string[]; why?: string }[];
}

/** Every version that was ever read. Version 0 was used in drafts before the first release. */
export const migrations: Migration[] = [
  {
    from: 0,
    moves: [
      { from: ['model'], to: ['student'] },
      { from: ['loss'], to: ['method'] },
      { from: ['epochs'], to: ['train', 'epochs'] },
      { from: ['batchSize'], to: ['train', 'batchSize'] },
      { from: ['lr'], to: ['train', 'optimizer', 'lr'] },
      { from: ['seed'], to: ['seeds'] },
      { from: ['data', 'file'], to: ['data', 'train'] },
    ],
  },
];

/** Brings a document to the current version in place; returns what was done, as lines for people. */
export function migrate(doc: Document): string[] {
  const notes: string[] = [];
  for (let version = doc.get('version'); typeof version === 'number' && version < recipeVersion; version++) {
    const step = migrations.find((m) => m.from === version);
    if (!step) break;
    for (const { from, to } of step.moves) {
      if (!doc.hasIn(from)) continue;
      const node = doc.getIn(from, true);
      const text = isScalar(node) ? `: ${String(node.value)}` : '';
      doc.deleteIn(from);
      place(doc, to, node);
      notes.push(`${showPath(from)} is now ${showPath(to)}${text}`);
    }
    const node = doc.get('version', true);
    if (isScalar(node)) node.value = version + 1;
    notes.push(`version: ${version + 1}`);
  }
  return notes;
}

/** Sets a node at a path without making it anew, so that its range stays. */
function place(doc: Document, path: string[], node: unknown): void {
  for (let i = 1; i < path.length; i++)
    if (!isMap(doc.getIn(path.slice(0, i), true))) doc.setIn(path.slice(0, i), doc.createNode({}));
  const parent = path.length === 1 ? doc.contents : doc.getIn(path.slice(0, -1), true);
  if (isMap(parent)) parent.add(new Pair(new Scalar(path.at(-1)), node));
}
