import { describe, expect, it } from 'vitest';
import type { DataStep, TextRecord } from '../../data/steps/step.ts';
import { checkMethod } from '../testing/check-method.ts';
import { postProcessEvents, symbolicKd } from './symbolic-kd.ts';
import { symbolicKdVectors } from './symbolic-kd.vectors.ts';

checkMethod(symbolicKd, { vectors: symbolicKdVectors });

describe('symbolic-kd', () => {
  const row = (prompt: string, line: number): TextRecord => ({ file: 'rows', line, prompt });
  /** A run that takes every step at its word: what was asked for, in order. */
  const curated = async (options: Record<string, unknown>, rows: TextRecord[], pool: TextRecord[] = []) => {
    const asked: { name: string; options: Record<string, unknown>; rows: number }[] = [];
    const out = await symbolicKd.curate!(
      {
        rows,
        pool,
        held: [],
        given: rows,
        rated: [],
        seed: 1,
        step: async (step: DataStep, o, given) => {
          step.options.parse(o);
          asked.push({ name: step.name, options: o as Record<string, unknown>, rows: given.length });
          return step.name === 'write'
            ? given.flatMap((r) => [1, 2].map((i) => ({ ...r, response: `tail ${i}` })))
            : given;
        },
      },
      symbolicKd.config.parse(options),
    );
    return { asked, out };
  };

  it('asks each prompt once, drops doubles, then lets the critic choose', async () => {
    const { asked, out } = await curated({}, [row('a', 1), row('a', 2), row('b', 3)]);
    expect(asked.map((a) => a.name)).toEqual(['write', 'pattern', 'duplicates', 'critic']);
    expect(asked[0]).toMatchObject({ rows: 2, options: { samples: 10, topP: 0.5, maxTokens: 12 } });
    expect(asked[3].options).toMatchObject({ recall: 0.5, hidden: 512 });
    expect(out).toHaveLength(4);
  });

  it('leaves the critic out for the unfiltered baseline, and prefers the pool of prompts', async () => {
    const { asked } = await curated(
      { filter: false },
      [row('a', 1)],
      [row('p', 1), row('q', 2), row('r', 3)],
    );
    expect(asked.map((a) => a.name)).toEqual(['write', 'pattern', 'duplicates']);
    expect(asked[0].rows).toBe(3);
  });

  it('first has prompts written when asked to', async () => {
    const { asked } = await curated({ expand: { to: 50 } }, [row('a', 1)]);
    expect(asked.map((a) => a.name)).toEqual([
      'expand',
      'best',
      'pattern',
      'write',
      'pattern',
      'duplicates',
      'critic',
    ]);
    expect(asked[0].options).toMatchObject({ to: 50, shots: 10, novelty: 1, topP: 0.9 });
  });

  it('keeps the likeliest events, though the score is called nll', () => {
    const events = [
      'PersonX sleeps late',
      'PersonX eats an apple',
      'PersonX runs away',
      'PersonX sings (badly)',
    ].map((text, i) => ({ text, nll: -1 - i, finished: true }));
    expect(postProcessEvents(events, 0.5)).toEqual(['PersonX sleeps late', 'PersonX eats an apple']);
    expect(postProcessEvents(events, 1)).not.toContain('PersonX sings (badly)');
    expect(postProcessEvents([{ text: 'PersonX', nll: 0, finished: true }], 1)).toEqual(['PersonX']);
  });
});
