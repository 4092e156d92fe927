import { ndarray } from '../../ndarray.ts';
import { scaledDotProductAttention } from '../../ops/attention.ts';
import { rotary } from '../../ops/rotary.ts';
import { type OpSamples, randomArray } from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

const samples: OpSamples[] = [
  {
    op: 'rotary',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [seq, half] = [1 + rng.int(3), 1 + rng.int(3)];
      const pairs = rng.pick(['half', 'interleaved'] as const);
      const width = rng.uniform() < 0.5 ? half : 2 * half;
      const lead = rng.pick([[], [2], [2, 2]]);
      return {
        inputs: [
          [...lead, seq, 2 * half],
          [seq, width],
          [seq, width],
        ].map((s) => randomArray(rng, s)),
        apply: (x, cos, sin) => rotary(x, cos, sin, { pairs }),
      };
    },
  },
  {
    op: 'scaledDotProductAttention',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [batch, shared, queries, d] = [1 + rng.int(2), 1 + rng.int(2), 1 + rng.int(3), 1 + rng.int(3)];
      const heads = shared * (1 + rng.int(2));
      const keys = queries + rng.int(3);
      const causal = rng.uniform() < 0.5;
      const kind = rng.pick(['none', 'bool', 'float']);
      const qkv = [
        [batch, heads, queries, d],
        [batch, shared, keys, d],
        [batch, shared, keys, d + 1],
      ].map((s) => randomArray(rng, s));
      const mask =
        kind === 'bool'
          ? [
              ndarray(
                Uint8Array.from({ length: batch * keys }, () => rng.int(2)),
                [batch, 1, 1, keys],
                'bool',
              ),
            ]
          : kind === 'float'
            ? [randomArray(rng, [queries, keys])]
            : [];
      return {
        inputs: [...qkv, ...mask],
        apply: (q, k, v, m) => scaledDotProductAttention(q, k, v, { mask: m, causal }),
      };
    },
  },
];

export const attentionSamples: OpSamples[] = [...samples, ...gradientsOf(samples)];
