import * as ort from 'onnxruntime-node';
import type { DType, TypedArray } from '../../graph/dtype.ts';
import type { NDArray } from '../../graph/ndarray.ts';
import { ndarray } from '../../graph/ndarray.ts';
import { writeOnnx } from '../../graph/onnx/writer.ts';
import { type Graph, inputName } from '../../graph/trace.ts';

/** Runs a graph once on onnxruntime-node, on this thread: for comparing operators with the oracle. */
export async function runOrt(
  graph: Graph,
  inputs: readonly NDArray[],
  options: { threads?: number; standardOnly?: boolean } = {},
): Promise<NDArray[]> {
  const session = await ort.InferenceSession.create(
    writeOnnx(graph, { standardOnly: options.standardOnly }),
    {
      intraOpNumThreads: options.threads ?? 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    },
  );
  const feeds: Record<string, ort.Tensor> = {};
  graph.inputs.forEach((t, i) => {
    if (session.inputNames.includes(inputName(t)))
      feeds[inputName(t)] = new ort.Tensor(
        inputs[i].dtype as never,
        inputs[i].data as never,
        inputs[i].shape,
      );
  });
  const out = await session.run(feeds);
  const results = session.outputNames.map((n) =>
    ndarray(out[n].data as TypedArray, out[n].dims, out[n].type as DType),
  );
  await session.release();
  return results;
}
