import { readFile } from 'node:fs/promises';
import { castArray, type NDArray, ndarray } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';

/** Opens an ONNX file with onnxruntime. Errors: `model` for a file that does not open or lacks an output. */
export async function openOnnx(path: string, outputs: readonly string[]) {
  const ort = await import('onnxruntime-node');
  let session: import('onnxruntime-node').InferenceSession;
  try {
    session = await ort.InferenceSession.create(await readFile(path), { logSeverityLevel: 3 });
  } catch (cause) {
    throw new DecantError('model', `onnxruntime does not open the file: ${(cause as Error).message}`, {
      at: path,
      fix: 'export the model again',
      cause,
    });
  }
  const missing = outputs.filter((name) => !session.outputNames.includes(name));
  if (missing.length > 0) {
    const seen = session.outputNames.join(', ');
    await session.release();
    throw new DecantError('model', `the ONNX file has no output ${missing.join(', ')}`, {
      at: path,
      seen,
      fix: `export it with the output ${missing.join(', ')}`,
    });
  }
  return { ort, session };
}

type Opened = Awaited<ReturnType<typeof openOnnx>>;

/** Inputs of a file by name, ids 64 bits wide; those that texts do not have, such as token types, are zero. */
export const feedsOf = (
  { ort, session }: Opened,
  given: Readonly<Record<string, NDArray>>,
): Record<string, import('onnxruntime-node').Tensor> =>
  Object.fromEntries(
    session.inputNames.map((name) => {
      const { shape } = given[name] ?? given.input_ids;
      const a = given[name] ?? ndarray(new Int32Array(given.input_ids.data.length), shape);
      const wide = a.dtype === 'int32' ? castArray(a, 'int64') : a;
      return [name, new ort.Tensor(wide.dtype as 'int64', wide.data as BigInt64Array, [...shape])];
    }),
  );
