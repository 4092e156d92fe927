import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { castArray, type NDArray } from '../graph/index.ts';
import type { AnyModel } from '../nn/model.ts';
import { chunk } from '../train/batches.ts';
import type { Encoded } from '../train/encoded.ts';
import { DecantError } from '../util/errors.ts';

/** How far an exported file's outputs are from the student's own. */
export interface ParityResult {
  readonly file: string;
  readonly maxDifference: number;
  /** Share of rows whose first class is the same. */
  readonly top1Agreement?: number;
  readonly rows: number;
}

interface OwnLogits {
  data: Float32Array;
  rows: number;
  width: number;
}

const FILES = { fp32: 'onnx/model.onnx', int8: 'onnx/model_quantized.onnx' } as const;

/** How many rows of the test set the exported files are compared on, and how many of them run together. */
export const PARITY_ROWS = 512;
const BATCH = 32;

/** Runs an ONNX file as other programs would: int64 ids in, one output (logits) out. */
export const runOnnxFile = async (
  path: string,
  inputs: Readonly<Record<string, NDArray>>,
  output = 'logits',
): Promise<Float32Array> => (await runOnnxBatches(path, [inputs], output))[0];

async function runOnnxBatches(
  path: string,
  batches: readonly Readonly<Record<string, NDArray>>[],
  output: string,
): Promise<Float32Array[]> {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(await readFile(path), { logSeverityLevel: 3 });
  const feed = (name: string, inputs: Readonly<Record<string, NDArray>>) => {
    const given = inputs[name];
    const a = given?.dtype === 'int32' ? castArray(given, 'int64') : given;
    if (a) return new ort.Tensor(a.dtype as 'int64', a.data as BigInt64Array, [...a.shape]);
    const like = inputs.input_ids;
    return new ort.Tensor('int64', new BigInt64Array(like.data.length), [...like.shape]);
  };
  const out: Float32Array[] = [];
  for (const inputs of batches) {
    const feeds = Object.fromEntries(session.inputNames.map((name) => [name, feed(name, inputs)]));
    out.push(((await session.run(feeds))[output].data as Float32Array).slice());
  }
  await session.release();
  return out;
}

/**
 * The exported files against the student. A float32 file that differs by more than the tolerance is an error: the
 * folder must not be used. int8 files are only measured.
 */
export async function checkParity(
  folder: string,
  model: AnyModel,
  sample: Encoded,
  own: OwnLogits,
  settings: { formats: readonly ('fp32' | 'int8')[]; tolerance: number },
): Promise<ParityResult[]> {
  const rows = Array.from({ length: sample.size }, (_, i) => i);
  const batches = chunk(rows, BATCH).map((part) => {
    const inputs = sample.inputs(part);
    const known = Object.keys(model.inputs).filter((n) => inputs[n]);
    return Object.fromEntries(known.map((n) => [n, inputs[n]]));
  });
  const results: ParityResult[] = [];
  for (const format of settings.formats) {
    const outputs = await runOnnxBatches(join(folder, FILES[format]), batches, 'logits');
    const got = Float32Array.from(outputs.flatMap((o) => [...o]));
    let worst = 0;
    let same = 0;
    for (let r = 0; r < own.rows; r++) {
      let a = 0;
      let b = 0;
      for (let c = 0; c < own.width; c++) {
        const i = r * own.width + c;
        worst = Math.max(worst, Math.abs(got[i] - own.data[i]));
        if (got[i] > got[r * own.width + a]) a = c;
        if (own.data[i] > own.data[r * own.width + b]) b = c;
      }
      if (a === b) same++;
    }
    if (format === 'fp32' && !(worst <= settings.tolerance * Math.max(1, maxAbs(own.data)))) {
      throw new DecantError('model', 'the exported model does not give the outputs of the student', {
        at: join(folder, FILES[format]),
        seen: `largest difference ${worst}`,
        allowed: `at most ${settings.tolerance}, relative to the largest output`,
        fix: 'this is a bug of the exporter: please report it with the recipe',
      });
    }
    results.push({
      file: FILES[format],
      maxDifference: worst,
      top1Agreement: own.rows === 0 ? 1 : same / own.rows,
      rows: own.rows,
    });
  }
  return results;
}

const maxAbs = (a: Float32Array): number => a.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
