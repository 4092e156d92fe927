import { interpret } from '../../engine/reference/interpreter.ts';
import {
  type DType,
  gradients,
  type NDArray,
  ndarray,
  spec,
  Tensor,
  toNumbers,
  topologicalNodes,
  trace,
} from '../../graph/index.ts';

export const inDouble = (dtype: DType): DType => (dtype === 'float32' ? 'float64' : dtype);

/**
 * Largest difference between the derived gradient of a scalar and central finite differences, in float64 on the
 * oracle, relative to the largest entry. What stands behind a stopGradient is held still while inputs move.
 *
 * @param wrt positions of the inputs that are moved
 */
export function gradientError(
  fn: (x: readonly Tensor[]) => Tensor,
  inputs: readonly NDArray[],
  wrt: readonly number[],
  h = 1e-5,
): { error: number; largest: number } {
  const { graph } = trace(
    (...x: Tensor[]) => {
      const y = fn(x);
      const moved = wrt.map((i) => x[i]);
      return [y, ...gradients(y, moved)];
    },
    inputs.map((a) => spec(a.shape, inDouble(a.dtype))),
  );
  const [value] = graph.outputs;
  const derived = interpret(graph, inputs).slice(1);
  const stops = topologicalNodes([value])
    .filter((n) => n.op.name === 'stopGradient')
    .map((n) => new Tensor(n, 0));
  const still = interpret({ inputs: graph.inputs, outputs: stops }, inputs);
  const held = { inputs: [...graph.inputs, ...stops], outputs: [value] };
  let [error, largest] = [0, 0];
  wrt.forEach((at, k) => {
    const base = Float64Array.from(toNumbers(inputs[at]));
    const want = base.map((x, i) => {
      const [up, down] = [1, -1].map((side) => {
        const moved = base.slice();
        moved[i] = x + side * h;
        const given = inputs.map((a, j) => (j === at ? ndarray(moved, a.shape, 'float64') : a));
        return toNumbers(interpret(held, [...given, ...still])[0])[0];
      });
      return (up - down) / (2 * h);
    });
    toNumbers(derived[k]).forEach((g, i) => {
      error = Math.max(error, Math.abs(g - want[i]));
      largest = Math.max(largest, Math.abs(want[i]));
    });
  });
  return { error: error / Math.max(largest, 1e-12), largest };
}
