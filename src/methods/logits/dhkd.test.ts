import { describe, expect, it } from 'vitest';
import { mlp } from '../../nn/models/mlp.ts';
import { distillation, EXTRA } from '../objective.ts';
import { pairOf } from '../pair.ts';
import { checkMethod } from '../testing/check-method.ts';
import { dhkd } from './dhkd.ts';
import { dhkdVectors } from './dhkd.vectors.ts';

checkMethod(dhkd, { vectors: dhkdVectors });

describe('dhkd', () => {
  const student = mlp({ inputs: 6, hidden: [8, 5], outputs: 4 });
  const objectiveOf = (options: Record<string, unknown>) =>
    distillation(student, dhkd, dhkd.config.parse(options), pairOf(student, {}, 4));
  const shapes = (options: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(objectiveOf(options).params)
        .filter(([name]) => name.startsWith(EXTRA))
        .map(([name, { shape }]) => [name.slice(EXTRA.length + 1), shape]),
    );

  it('sets its second head on what the output layer is given', () => {
    expect(shapes({})).toEqual({ 'head.weight': [4, 5], 'head.bias': [4] });
    expect(shapes({ head: 'nonlinear', width: 7 })).toMatchObject({
      'hidden.weight': [7, 5],
      'norm.running_mean': [7],
      'head.weight': [4, 7],
    });
    expect(shapes({ head: 'none' })).toEqual({});
  });

  it('lets the labels lead when asked to', () => {
    expect(objectiveOf({}).leading).toBeUndefined();
    expect(objectiveOf({ align: true }).leading).toBe('ce');
  });
});
