import { describe, expect, it } from 'vitest';
import { parameterShare } from './report-parts.ts';

describe('parameterShare', () => {
  it('says how large the student is beside the teacher, and nothing where one size is unknown', () => {
    expect(parameterShare({ parameters: 71 }, { parameters: 1000 })).toBe('with 7.1 % of its parameters');
    expect(parameterShare({ parameters: 10 }, { parameters: 10 })).toBe('with as many parameters');
    expect(parameterShare({ parameters: 10 }, {})).toBeUndefined();
    expect(parameterShare({ parameters: 10 })).toBeUndefined();
  });
});
