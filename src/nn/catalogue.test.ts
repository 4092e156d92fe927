import { describe, expect, it } from 'vitest';
import { Tensor, topologicalNodes } from '../graph/index.ts';
import { modelFromConfig } from './auto.ts';
import { architectureCatalogue, type ModelInfo } from './catalogue.ts';
import { type AnyModel, tapPaths, tracedForward } from './model.ts';

const info: ModelInfo = {
  classes: 3,
  vocabSize: 40,
  maxLength: 16,
  padId: 0,
  imageSize: 8,
  channels: 2,
  features: 6,
  dimensions: 2,
  eosId: 5,
};
const make = (name: string): AnyModel => {
  const a = architectureCatalogue[name];
  return a.make(a.options.parse({}) as never, info) as AnyModel;
};

describe.each(Object.keys(architectureCatalogue))('architecture %s', (name) => {
  const model = make(name);

  it('runs, with every parameter used, and has taps', () => {
    const outputs = tracedForward(model, {});
    const tensors = Object.values(outputs).filter((t) => t instanceof Tensor);
    const reached = new Set(
      topologicalNodes(tensors)
        .filter((n) => n.op.name === 'input')
        .map((n) => n.attrs.name),
    );
    const stored = Object.keys(model.params).filter((n) => model.params[n].tiedTo === undefined);
    expect(stored.filter((n) => !reached.has(n))).toEqual([]);
    expect(tapPaths(model).length).toBeGreaterThan(1);
  });

  it('is what its own config describes', () => {
    const again = modelFromConfig(JSON.parse(JSON.stringify(model.config)));
    const shapes = (m: Pick<AnyModel, 'params'>) =>
      Object.fromEntries(
        Object.entries(m.params).map(([n, p]) => [n, [p.shape.join(), p.tiedTo, p.buffer].join(' ')]),
      );
    expect(shapes(again)).toEqual(shapes(model));
    expect(Object.keys(again.inputs)).toEqual(Object.keys(model.inputs));
  });
});

describe('the catalogue', () => {
  it('has names for options and refuses unknown ones', () => {
    for (const [name, a] of Object.entries(architectureCatalogue)) {
      expect(a.options.safeParse({ notAnOption: 1 }).success, name).toBe(false);
      expect(a.summary.length, name).toBeGreaterThan(20);
    }
  });
});
