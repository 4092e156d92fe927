import * as ort from 'onnxruntime-web';
import { describe, it } from 'vitest';
import type { runOrt } from '../../engine/testing/run-ort.ts';
import { createRng } from '../../util/rng.ts';
import type { DType, TypedArray } from '../dtype.ts';
import { ndarray } from '../ndarray.ts';
import { writeOnnx } from '../onnx/writer.ts';
import { inputName } from '../trace.ts';
import { checkAgainstOrt } from './check-op.ts';
import { ELEMENTARY, LAYERS } from './families.ts';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'fatal';

/** Runs a graph once on onnxruntime-web's wasm build, the one that browsers get. */
const runWasm: typeof runOrt = async (graph, inputs, options = {}) => {
  const session = await ort.InferenceSession.create(
    writeOnnx(graph, { standardOnly: options.standardOnly }),
    {
      executionProviders: ['wasm'],
      logSeverityLevel: 4,
    },
  );
  const feeds: Record<string, ort.Tensor> = {};
  graph.inputs.forEach((t, i) => {
    const { dtype, data, shape } = inputs[i];
    if (session.inputNames.includes(inputName(t)))
      feeds[inputName(t)] = new ort.Tensor(dtype as never, data as never, shape);
  });
  const out = await session.run(feeds);
  const results = session.outputNames.map((n) =>
    ndarray(out[n].data as TypedArray, out[n].dims, out[n].type as DType),
  );
  await session.release();
  return results;
};

describe('onnxruntime-web (wasm) agrees with the oracle', () => {
  for (const [family, samples] of Object.entries({ ...ELEMENTARY, ...LAYERS })) {
    it(family, async () => {
      const drawn = samples.flatMap((s) =>
        [0, 1].map((seed) => {
          const sample = s.make(createRng(`${s.op}/wasm/${seed}`));
          return { ...sample, tolerance: sample.tolerance ?? 2e-5 };
        }),
      );
      await checkAgainstOrt(drawn, runWasm);
    });
  }
});
