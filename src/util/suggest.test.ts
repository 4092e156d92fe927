import { describe, expect, it } from 'vitest';
import { closest, editDistance } from './suggest.ts';

describe('closest', () => {
  it('counts a swap of neighbours as one edit', () => {
    expect(editDistance('tempreature', 'temperature')).toBe(1);
    expect(editDistance('epcohs', 'epochs')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
  });
  it.each([
    ['epoch', 'epochs'],
    ['learning_rate', 'learningRate'],
    ['temp', 'temperature'],
    ['bathcSize', 'batchSize'],
  ])('%s -> %s', (word, wanted) => {
    expect(closest(word, ['epochs', 'learningRate', 'temperature', 'batchSize'])).toBe(wanted);
  });
  it('stays silent when nothing is near', () => {
    expect(closest('zzz', ['epochs', 'steps'])).toBeUndefined();
  });
});
