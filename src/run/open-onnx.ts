import { readFile } from 'node:fs/promises';
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
