import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Engine } from '../engine/engine.ts';
import { type DecoderFormat, exportDecoder } from '../export/decoder.ts';
import type { ExportedFile } from '../export/student.ts';
import { openDecoderSession } from '../generate/session.ts';
import type { NDArray } from '../graph/index.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';
import type { TokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import type { RunContext } from './context.ts';
import { rowScorer } from './language-model.ts';
import type { ParityResult } from './parity.ts';

const FILES: Record<DecoderFormat, string> = {
  fp32: 'onnx/model.onnx',
  int8: 'onnx/model_quantized.onnx',
  int4: 'onnx/model_q4.onnx',
};

/** Rows that exported files are checked on. */
const SAMPLE = 16;

export interface DecoderToExport {
  readonly model: DecoderModel;
  readonly params: Params<NDArray>;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
}

/** Writes the student's folder and checks that its files give the student's own logits. */
export async function exportWriter(
  ctx: RunContext,
  student: DecoderToExport,
  test: TokenRows,
): Promise<{ files: ExportedFile[]; parity: ParityResult[] }> {
  const { formats, tolerance } = ctx.recipe.export;
  return writeCheckedDecoder(ctx.engine, ctx.folder.model, student, test, { formats, tolerance });
}

/** Writes a decoder's folder, which appears under its name only when its files give the model's own logits. */
export async function writeCheckedDecoder(
  engine: Engine,
  target: string,
  student: DecoderToExport,
  test: TokenRows,
  { formats, tolerance }: { formats: readonly DecoderFormat[]; tolerance: number },
): Promise<{ files: ExportedFile[]; parity: ParityResult[] }> {
  const draft = `${target}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const { tokenizer, tokenizerConfig } = student.tokenizer.files;
  const files = await exportDecoder(diskFolder(draft), {
    model: student.model,
    params: student.params,
    formats,
    tokenizer,
    tokenizerConfig: { ...tokenizerConfig, model_max_length: student.maxLength },
  });
  const parity: ParityResult[] = [];
  for (const format of formats)
    parity.push(await compareFile(engine, draft, format, student, test, tolerance));
  rmSync(target, { recursive: true, force: true });
  renameSync(draft, target);
  return { files, parity };
}

async function compareFile(
  engine: Engine,
  folder: string,
  format: DecoderFormat,
  student: DecoderToExport,
  test: TokenRows,
  tolerance: number,
): Promise<ParityResult> {
  const path = join(folder, FILES[format]);
  const scorer = await rowScorer(engine, student.model, student.params);
  const session = await openDecoderSession(ort as never, readFileSync(path));
  const result = { worst: 0, largest: 0, same: 0, positions: 0 };
  try {
    for (let i = 0; i < Math.min(SAMPLE, test.size); i++) {
      const own = (await scorer.logits(test, [i])).data as Float32Array;
      const ids = test.rows[i].ids.slice(0, -1);
      const { logits, vocab } = await session.step([ids], { all: true });
      for (let t = 0; t < ids.length; t++) {
        let [a, b] = [0, 0];
        for (let v = 0; v < vocab; v++) {
          const at = t * vocab + v;
          result.worst = Math.max(result.worst, Math.abs(logits[at] - own[at]));
          result.largest = Math.max(result.largest, Math.abs(own[at]));
          if (logits[at] > logits[t * vocab + a]) a = v;
          if (own[at] > own[t * vocab + b]) b = v;
        }
        if (a === b) result.same++;
        result.positions++;
      }
    }
  } finally {
    await session.close();
    await scorer.dispose();
  }
  if (format === 'fp32' && !(result.worst <= tolerance * Math.max(1, result.largest))) {
    throw new DecantError('model', 'the exported model does not give the outputs of the student', {
      at: path,
      seen: `largest difference ${result.worst}`,
      allowed: `at most ${tolerance}, relative to the largest output`,
      fix: 'this is a bug of the exporter: please report it with the recipe',
    });
  }
  return {
    file: FILES[format],
    maxDifference: result.worst,
    top1Agreement: result.positions === 0 ? 1 : result.same / result.positions,
    rows: result.positions,
  };
}
