import { z } from 'zod';
import { showShape } from '../../graph/index.ts';
import { architectures } from '../auto.ts';
import { architectureCatalogue, type ModelInfo } from '../catalogue.ts';
import { type AnyModel, tapShapes } from '../model.ts';
import { countParams } from '../params.ts';

/** Data that every architecture can be made for. */
export const SAMPLE_INFO: ModelInfo = {
  classes: 10,
  vocabSize: 8192,
  maxLength: 128,
  padId: 0,
  imageSize: 32,
  channels: 3,
  features: 1433,
  dimensions: 2,
  eosId: 2,
};

/** A catalogue entry at its default sizes. */
export function sampleModel(name: string, info: ModelInfo = SAMPLE_INFO): AnyModel {
  const a = architectureCatalogue[name];
  return a.make(a.options.parse({}) as never, info) as AnyModel;
}

/** Numbers inside a path as `#`, so that the layers of a stack become one line. */
const pattern = (path: string): string => path.replace(/(^|\.)\d+(?=\.|$)/g, '$1#');

/** `a.weight`, `a.bias` to `a.{weight,bias}`; stacks folded. */
function parameterNames(model: AnyModel): string[] {
  const leaves = new Map<string, Set<string>>();
  for (const name of Object.keys(model.params)) {
    const at = name.lastIndexOf('.');
    const [path, leaf] = at < 0 ? ['', name] : [pattern(name.slice(0, at)), name.slice(at + 1)];
    leaves.set(path, (leaves.get(path) ?? new Set()).add(leaf));
  }
  return [...leaves].map(([path, set]) => {
    const list = [...set].join(',');
    const leaf = set.size > 1 ? `{${list}}` : list;
    return `\`${path === '' ? leaf : `${path}.${leaf}`}\``;
  });
}

function taps(model: AnyModel): string[] {
  const seen = new Map<string, string>();
  for (const [path, shape] of tapShapes(model)) {
    if (!seen.has(pattern(path))) seen.set(pattern(path), showShape(shape));
  }
  return [...seen].map(([path, shape]) => `\`${path}\` ${shape}`);
}

interface Property {
  description?: string;
  default?: unknown;
}

function optionRows(schema: z.ZodType): string[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' }) as {
    properties?: Record<string, Property>;
  };
  return Object.entries(properties).map(([name, p]) => {
    const value = p.default === undefined ? '' : `\`${JSON.stringify(p.default)}\``;
    return `| \`${name}\` | ${value} | ${p.description ?? ''} |`;
  });
}

const thousands = (n: number): string =>
  n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : `${Math.max(1, Math.round(n / 1e3))} k`;

/** The tables of docs/models.md: made from the catalogue and from the models themselves. */
export function modelsTable(): string {
  const names = Object.keys(architectureCatalogue);
  const lines = [
    '## Architectures of recipes',
    '',
    'Parameters are counted at the default sizes, for 8,192 tokens, 10 classes, 32 × 32 colour images.',
    '',
    '| name | tasks | what it is | in config.json | parameters |',
    '|---|---|---|---|---|',
  ];
  const models = new Map(names.map((n) => [n, sampleModel(n)]));
  for (const [name, model] of models) {
    const { tasks, summary } = architectureCatalogue[name];
    lines.push(
      `| [${name}](#${name}) | ${tasks.join(', ')} | ${summary} | \`${model.architecture}\` | ${thousands(countParams(model.params))} |`,
    );
  }
  lines.push(
    '',
    `A folder or hub id may hold any of: ${architectures()
      .map((a) => `\`${a}\``)
      .join(', ')}.`,
    '',
  );
  for (const [name, model] of models) {
    lines.push(
      `### ${name}`,
      '',
      '| option | default | meaning |',
      '|---|---|---|',
      ...optionRows(architectureCatalogue[name].options),
      '',
      `Inputs: ${Object.entries(model.inputs)
        .map(([n, t]) => `\`${n}\` ${showShape(t.shape)}`)
        .join(', ')}.`,
      '',
      `Parameters: ${parameterNames(model).join(', ')}.`,
      '',
      `Taps: ${taps(model).join(', ')}.`,
      '',
    );
  }
  return lines.join('\n');
}
