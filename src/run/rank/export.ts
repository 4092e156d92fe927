import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { padIdOf } from '../../data/batching.ts';
import type { Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import type { Engine } from '../../engine/engine.ts';
import { onnxPath } from '../../export/onnx-files.ts';
import { type ExportedFile, type ExportFormat, exportStudent } from '../../export/student.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { createInference } from '../../nn/inference.ts';
import type { AnyModel } from '../../nn/model.ts';
import { colbertTokens } from '../../nn/models/colbert.ts';
import type { Params } from '../../nn/params.ts';
import { DecantError } from '../../util/errors.ts';
import type { JsonObject } from '../../util/json-text.ts';
import { diskFolder } from '../../util/node/disk-folder.ts';
import type { RunContext } from '../context.ts';
import { type ParityResult, runOnnxFile } from '../parity.ts';
import { type BuiltRanker, sides } from './build.ts';
import { type Tower, towerParams, towersOf } from './search.ts';

/** Lists or texts that exported files are checked on. */
const SAMPLE = 16;

/** Folder, inside that of a sentence encoder, of the encoder that documents have to themselves. */
export const DOCUMENT_ENCODER = 'document_encoder';

/** Where a student goes, in which formats, and how near its files must come to it. */
export interface ExportTarget {
  readonly engine: Engine;
  readonly folder: string;
  readonly formats: readonly ExportFormat[];
  readonly tolerance: number;
}

/** The target of a run. */
export const targetOf = ({ engine, folder, recipe }: RunContext): ExportTarget => ({
  engine,
  folder: folder.model,
  formats: recipe.export.formats as ExportFormat[],
  tolerance: recipe.export.tolerance,
});

/** Queries and documents on which exported files are compared with the student. */
export interface ExportSample {
  readonly queries: readonly { readonly text: string }[];
  readonly documents: readonly string[];
  /** Documents of each query; the first one is read. */
  readonly candidates: readonly Int32Array[];
}

export interface ExportPart {
  /** Folder below the model's: '' for the folder itself. */
  readonly folder: string;
  readonly model: AnyModel;
  readonly params: Params<NDArray>;
  readonly outputs: readonly string[];
  /** The output that is compared. */
  readonly compared: string;
  /** Longest input in tokens. */
  readonly maxLength: number;
  readonly inputs: Record<string, NDArray>;
  /** Further members of config.json. */
  readonly config?: JsonObject;
}

/**
 * Writes the student's folder and checks its files. A dual encoder becomes a sentence encoder, which `feature-extraction`
 * pipelines open (with encoders of its own for documents under `document_encoder/`); a late-interaction model an encoder of
 * tokens; all others score lists.
 */
export const exportRanker = (
  target: ExportTarget,
  built: BuiltRanker,
  params: Params<NDArray>,
  bed: ExportSample,
): Promise<{ files: ExportedFile[]; parity: ParityResult[] }> =>
  exportParts(target, partsOf(built, params, bed), built.tokenizer);

/** Writes models with their tokenizer, each into its folder, and checks the files before the whole appears. */
export async function exportParts(
  { engine, folder, formats, tolerance }: ExportTarget,
  parts: readonly ExportPart[],
  { files: { tokenizer, tokenizerConfig } }: Tokenizer,
): Promise<{ files: ExportedFile[]; parity: ParityResult[] }> {
  const draft = `${folder}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const files: ExportedFile[] = [];
  const parity: ParityResult[] = [];
  for (const part of parts) {
    const at = join(draft, part.folder);
    mkdirSync(at, { recursive: true });
    const written = await exportStudent(diskFolder(at), {
      model: part.model,
      params: part.params,
      formats,
      outputs: part.outputs,
      tokenizer,
      tokenizerConfig: { ...tokenizerConfig, model_max_length: part.maxLength },
      config: part.config,
    });
    files.push(...written.map((f) => ({ ...f, path: join(part.folder, f.path) })));
    for (const format of formats) parity.push(await compared(engine, at, format, part, tolerance));
  }
  // the folder appears under its name only when its files give the student's own outputs
  rmSync(folder, { recursive: true, force: true });
  renameSync(draft, folder);
  return { files, parity };
}

function partsOf(built: BuiltRanker, params: Params<NDArray>, bed: ExportSample): ExportPart[] {
  const of = sides(built.model, built.tokenizer, {
    query: built.queryLength,
    document: built.documentLength,
  });
  const queries = bed.queries.slice(0, SAMPLE).map((q) => of.query(q.text));
  const documents = bed.documents.slice(0, SAMPLE).map(of.document);
  const pad = padIdOf(built.tokenizer);
  const towers = towersOf(built.model);
  // whoever opens the folder cuts texts where training did
  const config = { query_maxlen: built.queryLength, doc_maxlen: built.documentLength };
  const sentence = (
    tower: Tower,
    folder: string,
    texts: readonly (readonly number[])[],
    length: number,
  ): ExportPart => ({
    folder,
    model: tower.model,
    params: towerParams(tower, params),
    outputs: ['last_hidden_state', 'sentence_embedding'],
    compared: 'sentence_embedding',
    maxLength: length,
    inputs: textInputs(texts, pad),
  });
  if (towers && towers.query.prefix === towers.document.prefix)
    return [
      sentence(
        towers.query,
        '',
        [...queries, ...documents],
        Math.max(built.queryLength, built.documentLength),
      ),
    ];
  if (towers)
    return [
      sentence(towers.query, '', queries, built.queryLength),
      sentence(towers.document, DOCUMENT_ENCODER, documents, built.documentLength),
    ];
  if (built.model.architecture === 'HF_ColBERT')
    return [
      {
        folder: '',
        model: colbertTokens(built.model.config),
        params,
        outputs: ['token_embeddings'],
        compared: 'token_embeddings',
        maxLength: Math.max(built.queryLength, built.documentLength),
        inputs: textInputs([...queries, ...documents], pad),
        config,
      },
    ];
  const lists = bed.queries.slice(0, SAMPLE).map((q, i) => ({
    query: q.text,
    documents: Array.from(bed.candidates[i].subarray(0, 1), (d) => bed.documents[d]),
  }));
  const encoded = built.lists(lists).inputs(lists.map((_, i) => i));
  return [
    {
      folder: '',
      model: built.model,
      params,
      outputs: ['logits'],
      compared: 'logits',
      maxLength: built.queryLength + built.documentLength,
      inputs: encoded,
      config: {
        ...config,
        ...(built.model.architecture === 'BertForSequenceClassification' ? { num_labels: 1 } : {}),
      },
    },
  ];
}

export function textInputs(texts: readonly (readonly number[])[], pad: number): Record<string, NDArray> {
  const width = Math.max(1, ...texts.map((t) => t.length));
  const ids = new Int32Array(texts.length * width).fill(pad);
  const mask = new Int32Array(texts.length * width);
  texts.forEach((t, r) => {
    ids.set(t, r * width);
    mask.fill(1, r * width, r * width + t.length);
  });
  const shape = [texts.length, width];
  return { input_ids: ndarray(ids, shape), attention_mask: ndarray(mask, shape) };
}

async function compared(
  engine: Engine,
  folder: string,
  format: ExportFormat,
  part: ExportPart,
  tolerance: number,
): Promise<ParityResult> {
  const inference = createInference(engine, part.model, { outputs: [part.compared] });
  await inference.setParams(part.params);
  const known = Object.fromEntries(Object.entries(part.inputs).filter(([n]) => part.model.inputs[n]));
  const own = (await inference.run(known))[part.compared];
  await inference.dispose();
  const file = onnxPath(format === 'fp32' ? 'fp32' : 'q8');
  const got = await runOnnxFile(join(folder, file), known, part.compared);
  const data = own.data as Float32Array;
  const rows = own.shape[0];
  const each = data.length / rows;
  let worst = 0;
  let largest = 0;
  let same = 0;
  for (let r = 0; r < rows; r++) {
    // the row that a row's output is nearest to, among the student's own
    let [near, at] = [Number.POSITIVE_INFINITY, -1];
    for (let o = 0; o < rows; o++) {
      let apart = 0;
      for (let i = 0; i < each; i++) apart += (got[r * each + i] - data[o * each + i]) ** 2;
      if (apart < near) [near, at] = [apart, o];
    }
    if (at === r) same++;
    for (let i = r * each; i < (r + 1) * each; i++) {
      worst = Math.max(worst, Math.abs(got[i] - data[i]));
      largest = Math.max(largest, Math.abs(data[i]));
    }
  }
  if (format === 'fp32' && !(worst <= tolerance * Math.max(1, largest)))
    throw new DecantError('model', 'the exported model does not give the outputs of the student', {
      at: join(folder, file),
      seen: `largest difference ${worst}`,
      allowed: `at most ${tolerance}, relative to the largest output`,
      fix: 'this is a bug of the exporter: please report it with the recipe',
    });
  return { file: join(part.folder, file), maxDifference: worst, top1Agreement: same / rows, rows };
}
