import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { type NDArray, ndarray } from '../graph/index.ts';
import { exposeValues, type OnnxOutputLayer, onnxOutputLayer } from '../graph/onnx/output-layer.ts';
import { EMBEDDING } from '../nn/output-layer.ts';
import { DecantError, isDecantError } from '../util/errors.ts';

/** The embedding of an ONNX classifier: what its output layer is given. */
export interface OnnxHidden {
  readonly layer: OnnxOutputLayer;
  read(feeds: Readonly<Record<string, Tensor>>, paths: readonly string[]): Promise<Record<string, NDArray>>;
  close(): Promise<void>;
}

/**
 * Finds the output layer in an ONNX file, so that what it is given can be read; undefined where the scores come out of
 * no plain linear layer. The second session is opened at the first question.
 */
export function openOnnxHidden(bytes: Uint8Array, output: string, at: string): OnnxHidden | undefined {
  let layer: OnnxOutputLayer | undefined;
  try {
    layer = onnxOutputLayer(bytes, output, at);
  } catch (error) {
    // onnxruntime may run what our reader does not take
    if (!isDecantError(error)) throw error;
  }
  if (!layer) return undefined;
  const found = layer;
  let opened: Promise<InferenceSession> | undefined;
  const open = async (): Promise<InferenceSession> => {
    const ort = await import('onnxruntime-node');
    return ort.InferenceSession.create(exposeValues(bytes, [found.input]), { logSeverityLevel: 3 });
  };
  return {
    layer: found,
    async read(feeds, paths) {
      const unknown = paths.find((p) => p !== EMBEDDING);
      if (unknown !== undefined)
        throw new DecantError('model', 'an ONNX teacher shows its embedding only', {
          at,
          seen: unknown,
          allowed: EMBEDDING,
        });
      opened ??= open();
      const { [found.input]: x } = await (await opened).run(feeds, [found.input]);
      return { [EMBEDDING]: ndarray(Float32Array.from(x.data as Float32Array), x.dims) };
    },
    close: async () => (await opened)?.release(),
  };
}
