import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type ModelCard, modelCard } from './model-card.ts';

const card: ModelCard = {
  name: 'support-student',
  summary: 'A small classifier distilled from a large one.\n\nKeeps 97.6 % of its accuracy.',
  pipelineTag: 'text-classification',
  license: 'mit',
  language: ['en'],
  datasets: ['banking77'],
  tags: ['kd', 'onnx'],
  results: {
    caption: 'Three seeds.',
    columns: ['Model', 'Accuracy'],
    rows: [
      ['Teacher', '92.4 %'],
      ['Student | tiny', '90.2 %'],
    ],
  },
  metrics: [
    { type: 'accuracy', name: 'Accuracy', value: 0.902, dataset: 'banking77' },
    { type: 'ece', name: 'ECE', value: Number.NaN },
  ],
  training: [
    ['Method', 'kd'],
    ['Seeds', '1, 2, 3'],
  ],
  files: [{ file: 'onnx/model.onnx', size: '1.57 MB', parity: '2e-6' }],
  usage: "const x = await pipeline('text-classification', './model');",
  labels: ['a', 'b'],
  limitations: ['English only.'],
  recipe: 'text: |\n  ```\n  nested\n  ```\n',
};

describe('modelCard', () => {
  it("has a head that parses and holds the student's numbers", () => {
    const text = modelCard(card);
    const head = parse(text.split('---\n')[1]);
    expect(head).toMatchObject({
      license: 'mit',
      language: ['en'],
      library_name: 'transformers.js',
      pipeline_tag: 'text-classification',
      tags: ['distillation', 'onnx', 'kd'],
    });
    expect(head['model-index'][0].results).toEqual([
      {
        task: { type: 'text-classification' },
        dataset: { name: 'banking77', type: 'banking77' },
        metrics: [{ type: 'accuracy', name: 'Accuracy', value: 0.902 }],
      },
    ]);
    expect(text).toContain('| Teacher | 92.4 % |');
    expect(text).toContain('| Student \\| tiny | 90.2 % |');
    expect(text).toContain('````yaml\n');
    expect(text).toContain('0 a, 1 b');
  });
  it('keeps hostile text in its place and leaves absent parts out', () => {
    const text = modelCard({
      name: 'x\n---\n# y <script>',
      summary: '[a](javascript:b) `c`',
      license: 'mit\ntags: [evil]',
    });
    expect(text).toContain('# x --- \\# y &lt;script&gt;');
    expect(text).toContain('\\[a\\](javascript:b) \\`c\\`');
    expect(parse(text.split('---\n')[1]).license).toBe('mit\ntags: [evil]');
    expect(text).not.toContain('## Results');
  });
});
