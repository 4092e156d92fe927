import { type NDArray, spec, type Tensor, type TensorType } from '../graph/index.ts';
import type { AnyModel } from '../nn/model.ts';
import type { Params } from '../nn/params.ts';
import { scopeOf } from '../nn/scope.ts';
import type { Chunks, Folder } from '../util/folder.ts';
import type { JsonObject } from '../util/json-text.ts';
import { jsonText, writeModelFolder } from './folder.ts';
import { exportOnnx } from './onnx.ts';
import { onnxPath } from './onnx-files.ts';
import { quantizeOnnx } from './quantize.ts';

/** Variants of onnx/model.onnx by the names of recipes. */
export type ExportFormat = 'fp32' | 'int8';

export interface StudentExport {
  readonly model: Pick<AnyModel, 'params' | 'inputs' | 'forward' | 'config' | 'architecture'>;
  readonly params: Params<NDArray>;
  /** Outputs of the ONNX graph, by the model's names; default `logits`. */
  readonly outputs?: readonly string[];
  readonly formats: readonly ExportFormat[];
  /** Class names in the order of the logits: written as id2label and label2id. */
  readonly labels?: readonly string[];
  readonly tokenizer?: JsonObject;
  readonly tokenizerConfig?: JsonObject;
  readonly preprocessorConfig?: JsonObject;
  /** Further members of config.json. */
  readonly config?: JsonObject;
  /** Further files, for example README.md. */
  readonly files?: ReadonlyMap<string, Chunks>;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface ExportedFile {
  readonly path: string;
  readonly bytes: number;
}

/** Parameters that belong to the student: not a method's extra parts, not tied copies. */
export const studentParams = (model: Pick<AnyModel, 'params'>, params: Params<NDArray>): Params<NDArray> =>
  Object.fromEntries(
    Object.entries(params).filter(([name]) => model.params[name] && model.params[name].tiedTo === undefined),
  );

/** The inference graph of a model as ONNX: standard operators, int64 ids at the border, dynamic batch and length. */
export function studentOnnx({
  model,
  params,
  outputs = ['logits'],
  metadata,
}: Pick<StudentExport, 'model' | 'params' | 'outputs' | 'metadata'>): Uint8Array<ArrayBuffer> {
  const inner = (t: TensorType): TensorType => (t.dtype === 'int64' ? spec(t.shape, 'int32') : t);
  return exportOnnx<Record<string, Tensor>>({
    params: studentParams(model, params) as never,
    inputs: Object.fromEntries(Object.entries(model.inputs).map(([n, t]) => [n, inner(t)])),
    forward: (tree, inputs) => {
      const all = model.forward(scopeOf(tree), inputs) as Record<string, Tensor>;
      return Object.fromEntries(outputs.map((n) => [n, all[n]]));
    },
    graphName: model.architecture,
    metadata,
  });
}

/** config.json of a classifier or any other model, with its class names. */
export function studentConfig({
  model,
  labels,
  config,
}: Pick<StudentExport, 'model' | 'labels' | 'config'>): JsonObject {
  return {
    ...(model.config as JsonObject),
    ...(labels
      ? {
          num_labels: labels.length,
          id2label: Object.fromEntries(labels.map((l, i) => [String(i), l])),
          label2id: Object.fromEntries(labels.map((l, i) => [l, i])),
        }
      : {}),
    ...config,
  } as JsonObject;
}

/** Writes a student as a model folder: config, weights, tokenizer, ONNX variants. Returns what was written. */
export async function exportStudent(target: Folder, student: StudentExport): Promise<ExportedFile[]> {
  const fp32 = studentOnnx(student);
  const files = new Map<string, Chunks>(student.files);
  const written: ExportedFile[] = [];
  const put = (path: string, bytes: Uint8Array): void => {
    files.set(path, [bytes]);
    written.push({ path, bytes: bytes.length });
  };
  if (student.formats.includes('fp32')) put(onnxPath('fp32'), fp32);
  // transformers.js asks for model_quantized.onnx by default in the browser (its dtype q8)
  if (student.formats.includes('int8'))
    put(onnxPath('q8'), quantizeOnnx(fp32, { scheme: 'int8', keepOutputLayer: 0.1 }).bytes);
  if (student.preprocessorConfig) {
    files.set('preprocessor_config.json', [new TextEncoder().encode(jsonText(student.preprocessorConfig))]);
  }
  const weights = new Map(Object.entries(studentParams(student.model, student.params)));
  await writeModelFolder(target, {
    config: studentConfig(student),
    tokenizer: student.tokenizer,
    tokenizerConfig: student.tokenizerConfig,
    weights,
    files,
  });
  const size = [...weights.values()].reduce((n, a) => n + a.data.byteLength, 0);
  return [...written, { path: 'model.safetensors', bytes: size }];
}
