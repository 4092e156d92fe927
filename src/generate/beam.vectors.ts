import type { Vector } from '../losses/vectors/types.ts';
import { beamSearch } from './beam.ts';

export const beamVectors: readonly Vector[] = [
  {
    kind: 'algorithmic',
    method: 'kd-core',
    function:
      'teacher beam search over a first-order log-prob table (row = previous token); finished beams compete with their raw total log-prob; best beam becomes the hard target',
    run: async (c) => {
      const table = c.input<number[][]>('table');
      const beams = await beamSearch({
        score: (prefixes) => prefixes.map((p) => table[p[p.length - 1]]),
        start: [c.number('start')],
        eos: c.number('eos'),
        width: c.number('width'),
        maxLength: c.number('max_len'),
        lengthPenalty: c.number('length_penalty', 0),
      });
      return {
        beams: beams.map((b) => b.tokens),
        scores: beams.map((b) => b.score),
        target: beams[0].tokens,
      };
    },
  },
];
