import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { interpret } from '../engine/reference/interpreter.ts';
import { isDecantError } from '../util/errors.ts';
import {
  add,
  array,
  broadcastTo,
  cast,
  concat,
  constant,
  dropout,
  exp,
  gather,
  gatherElements,
  input,
  logicalNot,
  matmul,
  max,
  pad,
  reshape,
  scatterAdd,
  slice,
  spec,
  split,
  squeeze,
  sum,
  sym,
  type Tensor,
  topK,
  trace,
  transpose,
  uniform,
  where,
} from './index.ts';

/** The message of the error that `fn` throws. */
function message(fn: () => unknown): string {
  try {
    fn();
  } catch (e) {
    expect(isDecantError(e), String(e)).toBe(true);
    return (e as Error).message;
  }
  throw new Error('nothing was thrown');
}

const x = input('x', [2, 3]);
const ints = input('i', [2], 'int32');

describe('shape errors', () => {
  it('name operator, shapes seen, the expectation and the line of the user', () => {
    const text = message(() => add(x, input('y', [4])));
    expect(text).toContain('add(float32[2, 3], float32[4])');
    expect(text).toContain('do not broadcast');
    expect(text).toContain('seen: "3 against 4 at axis -1"');
    expect(text).toContain('allowed: equal sizes, or 1');
    expect(text).toMatch(/errors\.test\.ts:\d+:\d+/);
  });

  it('point at the line inside a function that is traced', () => {
    const model = (t: Tensor): Tensor => {
      const hidden = exp(t);
      return reshape(hidden, [7]); // the mistake
    };
    const text = message(() => trace(model, [spec([2, 3])]));
    expect(text).toContain('reshape(float32[2, 3])');
    const line = Number(/errors\.test\.ts:(\d+):/.exec(text)![1]);
    expect(line).toBe(mistakeLine());
  });

  it('show symbolic sizes by name', () => {
    const [a, b] = [input('a', [sym('batch'), 3]), input('b', [sym('other'), 3])];
    expect(message(() => add(a, b))).toContain('add(float32[batch, 3], float32[other, 3])');
  });

  it('say what to do', () => {
    const cases: [() => unknown, RegExp][] = [
      [() => add(x, cast(x, 'int32')), /float32 and int32.*fix: cast one of them/],
      [() => exp(ints), /exp\(int32\[2\]\): not defined for int32.*allowed: float types.*fix: cast/],
      [() => logicalNot(x), /logicalNot\(float32\[2, 3\]\).*allowed: bool/],
      [() => where(x, x, x), /condition must be bool.*fix: compare first/],
      [() => matmul(x, x), /matmul\(float32\[2, 3\], float32\[2, 3\]\).*3 against 2/],
      [() => transpose(x, [0, 0]), /transpose.*each axis once/],
      [() => squeeze(x, 0), /axis 0 has not size 1/],
      [() => broadcastTo(x, [2, 4]), /broadcast/],
      [() => concat([x, input('y', [2, 4])], 0), /every axis but 0.*float32\[2, 3\] and float32\[2, 4\]/],
      [() => split(x, [1, 1], 1), /do not add up to axis 1 of \[2, 3\]/],
      [() => slice(x, { starts: [0], ends: [1], steps: [0] }), /integers other than 0/],
      [() => pad(x, [[1, 1]]), /pair \[before, after\] for each axis.*1 pairs.*allowed: 2/],
      [
        () =>
          pad(
            x,
            [
              [0, 0],
              [3, 0],
            ],
            { mode: 'reflect' },
          ),
        /axis 1 is too short to reflect/,
      ],
      [() => gather(x, x), /indices must be int32 or int64.*fix/],
      [() => gatherElements(x, ints), /do not fit \[2, 3\]/],
      [() => scatterAdd(x, input('j', [2, 3], 'int32'), input('u', [2, 2]), 1), /one update for each index/],
      [() => topK(x, 4), /topK\(float32\[2, 3\]\).*k must lie within the axis.*0 to 3/],
      [() => max(input('e', [0, 2]), 0), /an axis to reduce is empty/],
      [() => sum(x, 2), /axis out of range.*-2 to 1/],
      [() => uniform(x, [3]), /key is uint32\[2\].*randomKey/],
      [() => dropout(x, 1.5, x), /dropout rate lies in \[0, 1\)/],
    ];
    for (const [fn, want] of cases) expect(message(fn)).toMatch(want);
  });
});

describe('errors while the oracle runs', () => {
  it('name the operator and the line for an index out of range', () => {
    const table = constant(
      array([
        [1, 2],
        [3, 4],
      ]),
    );
    const { graph } = trace((i: Tensor) => gather(table, i), [spec([1], 'int32')]);
    const text = message(() => interpret(graph, [array([5], 'int32')]));
    expect(text).toMatch(/gather: .*index out of range; seen: 5; allowed: -2 to 1/);
    expect(text).toMatch(/errors\.test\.ts:\d+/);
  });

  it('name the input whose shape is wrong', () => {
    const { graph } = trace((t: Tensor) => exp(t), [spec([sym('batch'), 3])], ['pixels']);
    expect(message(() => interpret(graph, [array([[1, 2]])]))).toMatch(/'pixels'.*\[1,2\].*\[batch, 3\]/);
  });
});

/** The line of this file that holds the mistake above. */
function mistakeLine(): number {
  const source = readFileSync(new URL(import.meta.url), 'utf8').split('\n');
  return source.findIndex((l) => l.endsWith('// the mistake')) + 1;
}
