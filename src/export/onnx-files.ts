import { DecantError } from '../util/errors.ts';

/** The suffix that transformers.js looks for in `onnx/<name><suffix>.onnx`, by its name of the precision. */
export const ONNX_SUFFIX = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
} as const;

export type OnnxPrecision = keyof typeof ONNX_SUFFIX;

/** `onnx/model_q4.onnx` for `('q4')`; `part` is `model` for classifiers, embedders and decoder-only LMs. */
export const onnxPath = (precision: OnnxPrecision, part = 'model'): string =>
  `onnx/${part}${ONNX_SUFFIX[precision]}.onnx`;

/** Where the weights of a file over 2 GB lie: `<file>_data`, `<file>_data_1`, ... */
export const externalDataPath = (file: string, chunk = 0): string =>
  chunk === 0 ? `${file}_data` : `${file}_data_${chunk}`;

/** Part and precision of a path below `onnx/`; undefined for other files. */
export function parseOnnxPath(path: string): { part: string; precision: OnnxPrecision } | undefined {
  const match = /^onnx\/([^/]+)\.onnx$/.exec(path);
  if (!match) return undefined;
  const bySuffixLength = (Object.entries(ONNX_SUFFIX) as [OnnxPrecision, string][]).sort(
    (a, b) => b[1].length - a[1].length,
  );
  const [precision, suffix] = bySuffixLength.find(([, s]) => match[1].endsWith(s))!;
  return { part: match[1].slice(0, match[1].length - suffix.length), precision };
}

/** The path of the wanted precision among a folder's files; throws naming those that are there. */
export function findOnnx(
  paths: readonly string[],
  precision: OnnxPrecision,
  where: string,
  part = 'model',
): string {
  const wanted = onnxPath(precision, part);
  if (paths.includes(wanted)) return wanted;
  throw new DecantError('model', 'the folder lacks the ONNX file', {
    at: `${where}/${wanted}`,
    seen: paths.filter((p) => p.endsWith('.onnx')).join(', ') || 'no ONNX file',
    fix: 'export the model with this format, or ask for one that is there (dtype)',
  });
}
