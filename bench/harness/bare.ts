import * as ort from 'onnxruntime-node';
import type { Engine } from '../../src/engine/engine.ts';
import { lower } from '../../src/engine/lower.ts';
import { type DType, type NDArray, ndarray, type TypedArray } from '../../src/graph/index.ts';

/** onnxruntime on this thread and nothing else: what a step costs without Decant's engine around it. */
export function createBareEngine(threads: number): Engine & { lastRunMs(): number } {
  let last = 0;
  const toTensor = (a: NDArray): ort.Tensor => new ort.Tensor(a.dtype as never, a.data as never, a.shape);
  const toArray = (t: ort.Tensor): NDArray => ndarray(t.data as TypedArray, t.dims, t.type as DType);
  const unused = async (): Promise<never> => {
    throw new Error('not part of the bare engine');
  };
  return {
    name: 'bare',
    lastRunMs: () => last,
    interrupt: () => {},
    close: async () => {},
    async load(graph, { state: n = 0 } = {}) {
      const { bytes, inputs, outputs } = lower(graph, n);
      const session = await ort.InferenceSession.create(bytes, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      let state: ort.Tensor[] = [];
      let spare: ort.Tensor[] = [];
      const run = async (
        feeds: Record<string, ort.Tensor>,
        fetches: Record<string, ort.Tensor | null>,
      ): Promise<ort.InferenceSession.OnnxValueMapType> => {
        const t0 = performance.now();
        const results = await session.run(feeds, fetches);
        last = performance.now() - t0;
        return results;
      };
      return {
        async run(arrays) {
          const feeds = Object.fromEntries(arrays.map((a, i) => [inputs[i], toTensor(a)]));
          const results = await run(feeds, Object.fromEntries(outputs.map((o) => [o, null])));
          return outputs.map((o) => toArray(results[o]));
        },
        async setState(arrays) {
          state = arrays.map(toTensor);
          spare = arrays.map((a) => toTensor(ndarray(a.data.slice(), a.shape, a.dtype)));
        },
        async step(arrays) {
          const feeds: Record<string, ort.Tensor> = {};
          const fetches: Record<string, ort.Tensor | null> = {};
          [...state, ...arrays.map(toTensor)].forEach((t, i) => {
            feeds[inputs[i]] = t;
          });
          outputs.forEach((o, i) => {
            if (o !== '') fetches[o] = i < n ? spare[i] : null;
          });
          const results = await run(feeds, fetches);
          for (let i = 0; i < n; i++) if (outputs[i] !== '') [state[i], spare[i]] = [spare[i], state[i]];
          return outputs.slice(n).map((o) => toArray(results[o]));
        },
        getState: unused,
        stepMany: unused,
        profile: unused,
        dispose: () => session.release(),
      };
    },
  };
}
