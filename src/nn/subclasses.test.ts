import { describe, expect, it } from 'vitest';
import { createNodeEngine } from '../engine/node/engine.ts';
import { ndarray, toNumbers } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { modelFromConfig, withSubclasses } from './auto.ts';
import { createInference } from './inference.ts';
import { type AnyModel, init } from './model.ts';
import { bagClassifier } from './models/bag.ts';
import { cnn } from './models/cnn.ts';
import { mlp } from './models/mlp.ts';
import { outputLayer, outputPath, withEmbedding } from './output-layer.ts';

const rng = createRng('subclasses');
const floats = (...shape: number[]) =>
  ndarray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.normal()),
    shape,
  );
const tokens = ndarray(
  Int32Array.from({ length: 12 }, () => rng.int(20)),
  [3, 4],
);
const models: Record<
  string,
  { model: AnyModel; inputs: Record<string, ReturnType<typeof floats>>; path: string }
> = {
  mlp: {
    model: mlp({ inputs: 4, hidden: [6], outputs: 3 }),
    inputs: { features: floats(3, 4) },
    path: 'layers.1',
  },
  bag: {
    model: bagClassifier({ vocab_size: 20, width: 5, buckets: 16, hidden: [7] }, 3),
    inputs: { input_ids: tokens, attention_mask: ndarray(new Int32Array(12).fill(1), [3, 4]) },
    path: 'layers.1',
  },
  cnn: {
    model: cnn({ channels: 1, imageSize: 8, classes: 3, widths: [2], hidden: 5 } as never),
    inputs: { pixel_values: floats(3, 1, 8, 8) },
    path: 'fc2',
  },
};

async function run(model: AnyModel, inputs: object, outputs: string[]) {
  const engine = createNodeEngine({ threads: 1 });
  try {
    const params = init(model, 1);
    const inference = createInference(engine, model, { outputs });
    await inference.setParams(params);
    const arrays = await inference.run(inputs as never);
    return { params, out: Object.fromEntries(outputs.map((n) => [n, [...toNumbers(arrays[n])]])) };
  } finally {
    await engine.close();
  }
}

describe.each(Object.keys(models))('%s', (name) => {
  const { model, inputs, path } = models[name];

  it('with subclasses: class scores are sums over outputs, and its configuration gives it back', async () => {
    const wide = withSubclasses(model, 4);
    const { out } = await run(wide, inputs, ['logits', 'subclasses']);
    const sums = Array.from({ length: 9 }, (_, i) =>
      Math.log(out.subclasses.slice(4 * i, 4 * i + 4).reduce((s, x) => s + Math.exp(x), 0)),
    );
    for (const [i, x] of out.logits.entries()) expect(x).toBeCloseTo(sums[i], 5);
    const again = modelFromConfig(JSON.parse(JSON.stringify(wide.config)));
    const shapes = (m: Pick<AnyModel, 'params'>) => Object.entries(m.params).map(([n, p]) => [n, p.shape]);
    expect(shapes(again)).toEqual(shapes(wide));
    expect(shapes(withSubclasses(model, 1))).toEqual(shapes(model));
  });

  it('embedding and output layer: logits = W h + b', async () => {
    expect(outputPath(model)).toBe(path);
    const { params, out } = await run(withEmbedding(model), inputs, ['logits', 'embedding']);
    const { weights, bias } = outputLayer(model, params);
    const [classes, width] = weights.shape;
    const [w, b] = [toNumbers(weights), toNumbers(bias!)];
    out.logits.forEach((x, i) => {
      const [row, c] = [Math.floor(i / classes), i % classes];
      const h = out.embedding.slice(row * width, (row + 1) * width);
      expect(x).toBeCloseTo(
        h.reduce((s, v, j) => s + v * w[c * width + j], b[c]),
        4,
      );
    });
  });
});

describe('a model without a linear output layer', () => {
  it('has no embedding', async () => {
    const folded = withSubclasses(models.mlp.model, 2);
    expect(outputPath(folded)).toBeUndefined();
    expect(() => outputLayer(folded, init(folded, 1))).toThrow(/linear layer/);
  });
});
