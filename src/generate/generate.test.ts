import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import {
  type GenerateOptions,
  type Generation,
  generate,
  scoreTokens,
  type TextDecoder,
} from './generate.ts';
import { chooseToken, logProbabilities, topEntries } from './sampling.ts';
import type { DecoderSession } from './session.ts';
import { openTiny, tinyGpt2, tinyLlama, VOCAB } from './testing/tiny.ts';

const letters: TextDecoder = { decode: (ids) => ids.map((i) => String.fromCharCode(97 + i)).join('') };
const prompts = [[3, 7, 1, 9, 2], [5], [8, 8, 4], [1, 2, 3, 4, 5, 6, 7, 8, 9]];

/** The slow way: the whole row anew for every token, one row at a time. */
async function uncached(
  session: DecoderSession,
  prompt: readonly number[],
  options: GenerateOptions,
  stream: string,
): Promise<{ ids: number[]; logp: number[] }> {
  const rng = createRng(stream);
  const ids: number[] = [];
  const logp: number[] = [];
  for (let i = 0; i < options.maxTokens!; i++) {
    const { logits } = await session.step([[...prompt, ...ids]]);
    const token = chooseToken(logits.slice(), options, rng);
    if (options.eos?.includes(token)) break;
    ids.push(token);
    logp.push(logProbabilities(logits)[token]);
  }
  return { ids, logp };
}

const close = (got: readonly number[], want: readonly number[]): void => {
  expect(got).toHaveLength(want.length);
  want.forEach((w, i) => {
    expect(got[i]).toBeCloseTo(w, 4);
  });
};

describe.each([
  ['GPT-2', tinyGpt2()],
  ['Llama with grouped queries', tinyLlama()],
])('generate with a %s', (_, model) => {
  let session: DecoderSession;
  beforeAll(async () => {
    session = await openTiny(model);
  });
  afterAll(() => session.close());

  it.each([
    ['greedy', { maxTokens: 20 }],
    ['sampled', { maxTokens: 20, temperature: 0.9, topK: 12, topP: 0.95, seed: 'a' }],
    ['greedy with end tokens', { maxTokens: 20, eos: [0, 11, 23, 30] }],
  ] as [string, GenerateOptions][])('equals decoding without a cache: %s', async (_name, options) => {
    const got = await generate(session, prompts, options);
    for (const [i, prompt] of prompts.entries()) {
      const want = await uncached(session, prompt, options, `${options.seed ?? 0}/${i}/0`);
      expect(got[i][0].ids).toEqual(want.ids);
      close(got[i][0].logp, want.logp);
    }
  });

  it('gives the same whatever shares the batch, and something else for another seed', async () => {
    const options = { maxTokens: 12, temperature: 1, seed: 5 };
    const ids = (g: Generation[][]): number[][] => g.map((x) => x[0].ids);
    const together = ids(await generate(session, prompts, options));
    expect(ids(await generate(session, prompts, { ...options, batchSize: 1 }))).toEqual(together);
    expect(ids(await generate(session, prompts, { ...options, batchSize: 3 }))).toEqual(together);
    expect(ids(await generate(session, prompts, { ...options, seed: 6 }))).not.toEqual(together);
  });

  it('runs a prompt once for all of its samples', async () => {
    const calls: number[][] = [];
    const counting: DecoderSession = {
      ...session,
      step: (ids, o) => {
        calls.push([ids.length, ids[0].length]);
        return session.step(ids, o);
      },
    };
    const options = { maxTokens: 8, temperature: 1, seed: 1, samples: 5 };
    const [answers] = await generate(counting, [prompts[0]], options);
    expect(calls[0]).toEqual([1, prompts[0].length]);
    expect(calls.slice(1).every(([rows, seq]) => rows <= 5 && seq === 1)).toBe(true);
    expect(new Set(answers.map((a) => a.ids.join())).size).toBeGreaterThan(1);
    for (const [s, a] of answers.entries()) {
      const want = await uncached(session, prompts[0], options, `1/0/${s}`);
      expect(a.ids).toEqual(want.ids);
    }
  });

  it('scores text as it was generated', async () => {
    const answers = await generate(session, prompts, { maxTokens: 10, temperature: 1, logprobs: 4 });
    const scored = await scoreTokens(
      session,
      prompts.map((p, i) => [...p, ...answers[i][0].ids]),
      { from: prompts.map((p) => p.length), top: 4, batchSize: 3 },
    );
    scored.forEach((s, i) => {
      close(s.logp, answers[i][0].logp);
      s.top!.forEach((t, k) => {
        expect(t.ids).toEqual(answers[i][0].top![k].ids);
        close(t.logp, answers[i][0].top![k].logp);
      });
    });
  });
});

describe('generate', () => {
  let session: DecoderSession;
  beforeAll(async () => {
    session = await openTiny(tinyGpt2());
  });
  afterAll(() => session.close());

  it('reports the likeliest alternatives before temperature and penalties', async () => {
    const [[g]] = await generate(session, [[1, 2]], {
      maxTokens: 1,
      temperature: 0.3,
      repetitionPenalty: 3,
      logprobs: 3,
    });
    const { logits } = await session.step([[1, 2]]);
    const want = topEntries(logProbabilities(logits), 3);
    expect(g.top![0].ids).toEqual(want.ids);
    close(g.top![0].logp, want.values);
  });

  it('cuts the text at a stop string, also where it begins inside a token sequence', async () => {
    const [[free]] = await generate(session, [prompts[0]], { maxTokens: 20, decoder: letters });
    const stop = free.text!.slice(6, 9);
    const at = free.text!.indexOf(stop);
    const [[g]] = await generate(session, [prompts[0]], {
      maxTokens: 20,
      decoder: letters,
      stop: ['??', stop],
    });
    expect(g.finish).toBe('stop');
    expect(g.text).toBe(free.text!.slice(0, at));
    expect(g.ids).toEqual(free.ids.slice(0, at + 3));
  });

  it('ends at the end token, which is no part of the answer', async () => {
    const [[free]] = await generate(session, [prompts[1]], { maxTokens: 20 });
    expect(free.finish).toBe('length');
    const eos = free.ids[5];
    const [[g]] = await generate(session, [prompts[1]], { maxTokens: 20, eos: [eos] });
    expect(g.finish).toBe('eos');
    expect(g.ids).toEqual(free.ids.slice(0, free.ids.indexOf(eos)));
  });

  it('streams each token in order, and ends an answer when told to', async () => {
    const seen: number[][] = [[], []];
    const answers = await generate(session, [prompts[0], prompts[2]], {
      maxTokens: 10,
      onToken: (prompt, _sample, token) => {
        seen[prompt].push(token);
        return prompt === 0 || seen[1].length < 4;
      },
    });
    expect(answers.map(([a]) => a.ids)).toEqual(seen);
    expect(answers[1][0].ids).toHaveLength(4);
    expect(answers[1][0].finish).toBe('stop');
    expect(answers[0][0].ids).toHaveLength(10);
  });

  it('stays inside a constraint and ends only where it may', async () => {
    const even = (n: number): import('./generate.ts').ConstraintState => ({
      done: n >= 3,
      mask: (logits) => {
        for (let i = 1; i < VOCAB; i += 2) logits[i] = Number.NEGATIVE_INFINITY;
      },
      next: () => even(n + 1),
    });
    const answers = await generate(session, prompts, {
      maxTokens: 12,
      temperature: 3,
      eos: [4, 7],
      constraint: { start: () => even(0) },
    });
    for (const [a] of answers) {
      expect(a.ids.every((i) => i % 2 === 0)).toBe(true);
      if (a.finish === 'eos') expect(a.ids.length).toBeGreaterThanOrEqual(3);
    }
    expect(answers.some(([a]) => a.finish === 'eos')).toBe(true);
  });

  it('ends at the end of the context, and refuses what does not fit', async () => {
    const [[g]] = await generate(session, [new Array(60).fill(1)], { maxTokens: 100 });
    expect(g.ids).toHaveLength(5);
    expect(g.finish).toBe('length');
    await expect(generate(session, [new Array(65).fill(1)])).rejects.toThrow(/longer than the model/);
    await expect(generate(session, [[]])).rejects.toThrow(/at least one token/);
    await expect(generate(session, [[1]], { stop: ['x'] })).rejects.toThrow(/decoder/);
  });
});
