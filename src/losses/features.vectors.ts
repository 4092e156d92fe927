import { mean } from '../graph/index.ts';
import { attentionTransfer, fitnetHint, linearProjector } from './features.ts';
import type { Vector } from './vectors/types.ts';

export const featureVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'mean((F W^T + b - T)^2) over all elements (regressor W,b trained too)',
    run: (x) => ({
      loss: mean(fitnetHint(linearProjector(x.student_feat, { weight: x.W, bias: x.b }), x.teacher_feat)),
    }),
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'map = L2-normalised flattened mean (code) or sum (paper) over channels of squares; code: mean squared difference; paper: sum of L2 distances / batch',
    run: (x, c) => ({
      loss: mean(
        attentionTransfer(x.student_map, x.teacher_map, {
          mode: c.choice('mode', ['code', 'paper'], 'code'),
        }),
      ),
    }),
  },
];
