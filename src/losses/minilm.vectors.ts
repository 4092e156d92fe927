import { mean } from '../graph/index.ts';
import { miniLmV2 } from './minilm.ts';
import type { Vector } from './vectors/types.ts';

export const miniLmVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'MiniLMv2 Q-Q, K-K, V-V relations (weight 1/3 each), A_r relation heads, KL summed / (A_r*len), mean over batch, padding cut off',
    inputs: { attention_mask: 'int' },
    run: (x, c) => ({
      loss: mean(
        miniLmV2(
          [
            { student: x.q_s, teacher: x.q_t },
            { student: x.k_s, teacher: x.k_t },
            { student: x.v_s, teacher: x.v_t },
          ],
          x.attention_mask,
          c.number('relation_heads'),
        ),
      ),
    }),
  },
];
