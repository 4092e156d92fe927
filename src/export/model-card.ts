/** What a model card says; texts are plain, numbers are already written with their spread. */
export interface ModelCard {
  /** Name of the model. */
  name: string;
  /** One or two sentences: what it is and what came out. */
  summary: string;
  /** Task as the hub names it: text-classification, text-generation, feature-extraction … */
  pipelineTag?: string;
  license?: string;
  language?: string | readonly string[];
  /** Data sets as the hub names them. */
  datasets?: readonly string[];
  /** Hub id the student was initialised from. */
  baseModel?: string;
  tags?: readonly string[];
  /** What it is for, and what it is not for. */
  use?: { intended?: string; outOfScope?: string };
  /** The measured table: the first column names the model. */
  results?: { caption: string; columns: readonly string[]; rows: readonly (readonly string[])[] };
  /** For the hub's leaderboards: the student's own numbers. */
  metrics?: readonly { type: string; name: string; value: number; dataset?: string }[];
  /** Teacher, method, data, seeds, hardware: name and value. */
  training?: readonly (readonly [string, string])[];
  /** Variants of the exported file with size and the largest difference to the trained student. */
  files?: readonly { file: string; size: string; parity?: string }[];
  /** Runnable lines of JavaScript. */
  usage?: string;
  /** Class names in the order of the model's outputs. */
  labels?: readonly string[];
  limitations?: readonly string[];
  /** The recipe that makes the model again. */
  recipe?: string;
}

/** The card as Markdown with the hub's YAML head. Text from users cannot break out of its place. */
export function modelCard(card: ModelCard): string {
  const parts = [`---\n${head(card)}---`, `# ${inline(card.name)}`, paragraph(card.summary)];
  if (card.results)
    parts.push(
      `## Results\n\n${table(card.results.columns, card.results.rows)}\n\n${paragraph(card.results.caption)}`,
    );
  if (card.usage) parts.push(`## How to use\n\n${fence('js', card.usage)}`);
  if (card.use?.intended || card.use?.outOfScope)
    parts.push(
      [
        '## Uses',
        card.use.intended && paragraph(card.use.intended),
        card.use.outOfScope && `**Not for:** ${inline(card.use.outOfScope)}`,
      ]
        .filter(Boolean)
        .join('\n\n'),
    );
  if (card.training?.length) parts.push(`## Training\n\n${table(['', ''], card.training)}`);
  if (card.files?.length)
    parts.push(
      `## Files\n\n${table(
        ['File', 'Size', 'Largest difference to the trained student'],
        card.files.map((f) => [f.file, f.size, f.parity ?? 'not measured']),
      )}`,
    );
  if (card.limitations?.length)
    parts.push(`## Limitations\n\n${card.limitations.map((l) => `- ${inline(l)}`).join('\n')}`);
  if (card.labels?.length) {
    const list = card.labels.map((l, i) => `${i} ${inline(l)}`).join(', ');
    parts.push(
      card.labels.length > 20
        ? `<details><summary>${card.labels.length} classes</summary>\n\n${list}\n\n</details>`
        : `## Classes\n\n${list}`,
    );
  }
  if (card.recipe)
    parts.push(`<details><summary>Recipe</summary>\n\n${fence('yaml', card.recipe)}\n\n</details>`);
  parts.push('Made with Decant.');
  return `${parts.join('\n\n')}\n`;
}

function head(card: ModelCard): string {
  const lines: string[] = [];
  const put = (key: string, value: string | readonly string[] | undefined): void => {
    if (value === undefined || value.length === 0) return;
    if (typeof value === 'string') lines.push(`${key}: ${JSON.stringify(value)}`);
    else lines.push(`${key}:`, ...value.map((v) => `- ${JSON.stringify(v)}`));
  };
  put('license', card.license);
  put('language', card.language);
  put('library_name', 'transformers.js');
  put('pipeline_tag', card.pipelineTag);
  put('base_model', card.baseModel);
  put('datasets', card.datasets);
  put('tags', [...new Set(['distillation', 'onnx', ...(card.tags ?? [])])]);
  const metrics = (card.metrics ?? []).filter((m) => Number.isFinite(m.value));
  if (metrics.length && card.pipelineTag) {
    lines.push('model-index:', `- name: ${JSON.stringify(card.name)}`, '  results:');
    const sets = [...new Set(metrics.map((m) => m.dataset ?? 'test'))];
    for (const set of sets) {
      lines.push(
        '  - task:',
        `      type: ${JSON.stringify(card.pipelineTag)}`,
        '    dataset:',
        `      name: ${JSON.stringify(set)}`,
        `      type: ${JSON.stringify(set)}`,
        '    metrics:',
      );
      for (const m of metrics.filter((x) => (x.dataset ?? 'test') === set))
        lines.push(
          `    - type: ${JSON.stringify(m.type)}`,
          `      name: ${JSON.stringify(m.name)}`,
          `      value: ${m.value}`,
        );
    }
  }
  return `${lines.join('\n')}\n`;
}

/** One line of text: no line breaks, and signs that Markdown or HTML would read are escaped. */
const inline = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[\\`*_[\]<>|#]/g, (c) => (c === '<' ? '&lt;' : c === '>' ? '&gt;' : `\\${c}`));

const paragraph = (text: string): string =>
  text
    .split(/\n\s*\n/)
    .map(inline)
    .join('\n\n');

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${columns.map((_, i) => inline(cells[i] ?? '')).join(' | ')} |`;
  const rule = `|${columns.map((_, i) => (i === 0 ? ' --- ' : ' ---: ')).join('|')}|`;
  return [line(columns), columns[0] === '' ? rule.replaceAll('---:', '---') : rule, ...rows.map(line)].join(
    '\n',
  );
}

/** A code block whose fence is longer than any inside it. */
function fence(language: string, code: string): string {
  const longest = Math.max(2, ...(code.match(/`+/g) ?? []).map((f) => f.length));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}${language}\n${code.trimEnd()}\n${ticks}`;
}
