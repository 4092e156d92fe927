import { describe, expect, it } from 'vitest';
import { spec, type Tensor, trace } from '../graph/index.ts';
import { showShape } from '../graph/shape.ts';
import { applyWithTaps, tapPaths, tapShapes } from './model.ts';
import { bertClassifier } from './models/bert.ts';
import { mlp } from './models/mlp.ts';

const model = mlp({ inputs: 4, hidden: [8, 6], outputs: 3 });

describe('taps', () => {
  it('are listed with their shapes', () => {
    expect(tapPaths(model)).toEqual(['layers.0', 'hidden.0', 'layers.1', 'hidden.1', 'layers.2']);
    expect(showShape(tapShapes(model).get('hidden.1')!)).toBe('[batch, 6]');
    const bert = tapShapes(
      bertClassifier({ vocab_size: 20, hidden_size: 8, num_hidden_layers: 2, intermediate_size: 12 }, 3),
    );
    expect(showShape(bert.get('bert.encoder.layer.1')!)).toBe('[batch, sequence, 8]');
    expect(showShape(bert.get('bert.encoder.layer.0.intermediate')!)).toBe('[batch, sequence, 12]');
  });

  it('come with the outputs, and unknown ones are refused with a hint', () => {
    const names = Object.keys(model.params);
    const run = (paths: string[]) =>
      trace(
        (...t: Tensor[]) => {
          const params = Object.fromEntries(names.map((n, i) => [n, t[i]]));
          const { outputs, taps } = applyWithTaps(model, params, { features: t[names.length] }, paths);
          return [outputs.logits, ...paths.map((p) => taps[p])];
        },
        [...names.map((n) => spec(model.params[n].shape)), spec([2, 4])],
      ).graph;
    expect(run(['hidden.0']).outputs.map((t) => t.shape)).toEqual([
      [2, 3],
      [2, 8],
    ]);
    expect(() => run(['hiden.0'])).toThrow(/no activation at 'hiden\.0'[\s\S]*did you mean 'hidden\.0'/);
  });
});
