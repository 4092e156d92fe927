import type { Engine } from '../engine/engine.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { createInference, type Inference } from '../nn/inference.ts';
import type { AnyModel } from '../nn/model.ts';
import { EMBEDDING, withEmbedding } from '../nn/output-layer.ts';
import type { Params } from '../nn/params.ts';
import { DecantError } from '../util/errors.ts';

type Arrays = Readonly<Record<string, NDArray>>;

/** Activations of a model by tap path; `embedding` is what its output layer is given. */
export interface HiddenReader {
  read(inputs: Arrays, paths: readonly string[]): Promise<Record<string, NDArray>>;
  dispose(): Promise<void>;
}

/** Reads activations of a model whose weights are given; a graph is built for each list of paths that is asked for. */
export function hiddenReader(
  engine: Engine,
  model: Pick<AnyModel, 'params' | 'inputs' | 'forward'>,
  params: Params<NDArray>,
): HiddenReader {
  const opened = new Map<string, Promise<Inference>>();
  const open = async (paths: readonly string[]): Promise<Inference> => {
    const last = paths.includes(EMBEDDING);
    const inference = createInference(engine, last ? withEmbedding(model) : model, {
      outputs: last ? [EMBEDDING] : [],
      taps: paths.filter((p) => p !== EMBEDDING),
    });
    await inference.setParams(params);
    return inference;
  };
  return {
    async read(inputs, paths) {
      const key = paths.join();
      const inference = opened.get(key) ?? open(paths);
      opened.set(key, inference);
      return (await inference).run(inputs);
    },
    async dispose() {
      for (const inference of await Promise.allSettled(opened.values()))
        if (inference.status === 'fulfilled') await inference.value.dispose();
    },
  };
}

/** Asks in parts of `size` rows and joins the answers by name. Errors: `model` for activations of no fixed size. */
export async function inParts<T>(
  rows: readonly T[],
  size: number,
  ask: (part: readonly T[]) => Promise<Record<string, NDArray>>,
): Promise<Record<string, NDArray>> {
  const parts: Record<string, NDArray>[] = [];
  for (let i = 0; i < rows.length; i += size) parts.push(await ask(rows.slice(i, i + size)));
  return Object.fromEntries(
    Object.keys(parts[0] ?? {}).map((name) => {
      const [first] = parts.map((p) => p[name]);
      const shape = first.shape.slice(1);
      const width = shape.reduce((a, b) => a * b, 1);
      const out = new Float32Array(rows.length * width);
      let at = 0;
      for (const { [name]: a } of parts) {
        if (a.shape.slice(1).join() !== shape.join())
          throw new DecantError('model', 'the activation has another size for every batch', {
            at: name,
            seen: `${shape.join(' × ')} and ${a.shape.slice(1).join(' × ')}`,
            fix: 'choose one of a fixed size per example, such as a pooled vector',
          });
        out.set(a.data as Float32Array, at);
        at += a.data.length;
      }
      return [name, ndarray(out, [rows.length, ...shape])];
    }),
  );
}
