import { mean, slice } from '../graph/index.ts';
import { crdLoss, crdUpdateMemory } from './contrastive.ts';
import type { Vector } from './vectors/types.ts';

export const contrastiveVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'CRD with fixed normalisers Z_s,Z_t: student vs memory_t, teacher vs memory_s (embeddings L2-normalised first), momentum 0.5 memory update',
    inputs: { pos_idx: 'int', contrast_idx: 'int' },
    run: (x, c) => {
      const loss = crdLoss(
        x.student_embed,
        x.teacher_embed,
        { student: x.memory_s, teacher: x.memory_t },
        x.pos_idx,
        // its first column repeats the positive
        slice(x.contrast_idx, { axes: [1], starts: [1], ends: [undefined] }),
        {
          temperature: c.optional('temperature'),
          zStudent: c.number('Z_s'),
          zTeacher: c.number('Z_t'),
          examples: c.number('n_data'),
          eps: c.optional('eps'),
        },
      );
      const momentum = c.number('momentum', 0.5);
      return {
        loss: mean(loss),
        memory_s_new: crdUpdateMemory(x.memory_s, x.pos_idx, x.student_embed, { momentum }),
        memory_t_new: crdUpdateMemory(x.memory_t, x.pos_idx, x.teacher_embed, { momentum }),
      };
    },
  },
];
