import { div, mul, sum } from '../../graph/index.ts';
import type { Vector } from '../../losses/vectors/index.ts';
import { increment, interpolatedCrossEntropy, taid, taidSchedule } from './taid.ts';

export const taidVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'taid',
    function:
      'J_TAID(t) = masked token mean of -sum_v p_t(v) log q(v), p_t = softmax((1-t)*stopgrad(student)+t*teacher)',
    run: (x, c) => {
      const each = interpolatedCrossEntropy(x.student_logits, x.teacher_logits, c.number('t'));
      return { loss: div(sum(mul(each, x.mask)), sum(x.mask)) };
    },
  },
  {
    kind: 'algorithmic',
    method: 'taid',
    function:
      'state after each update_t(loss_n, step n, N): t_n, momentum m_n, increment delta_t (null on the first call, which only stores the loss)',
    run: (c) => {
      const alpha = c.number('alpha');
      const config = taid.config.parse({
        t_start: c.number('t_start'),
        t_end: c.number('t_end'),
        alpha,
        beta: c.number('beta'),
        adaptive: !c.flag('disable_adaptive', false),
      });
      const steps = c.number('total_steps');
      const at = c.input<number[]>('global_step');
      let state = taidSchedule.init(config);
      const out = { t: [] as number[], momentum: [] as number[], delta_t: [] as (number | null)[] };
      c.input<number[]>('losses').forEach((loss, i) => {
        const before = state;
        state = taidSchedule.next(before, { terms: { taid: loss }, step: at[i], steps }, config);
        out.t.push(state.t);
        out.momentum.push(state.momentum);
        out.delta_t.push(before.seen === 0 ? null : increment(state.momentum, before.t, alpha));
      });
      return out;
    },
  },
];
