import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProtoSchema } from 'onnx-buf';
import { interpret } from '../../src/engine/reference/interpreter.ts';
import { runOrt } from '../../src/engine/testing/run-ort.ts';
import { castArray, type NDArray, type Tensor, toNumbers, trace } from '../../src/graph/index.ts';
import { tensorData } from '../../src/graph/onnx/import/tensor-data.ts';
import { importOnnx } from '../../src/graph/onnx/reader.ts';

/** The ONNX project's own test models, as Debian's package libonnx-testdata installs them (or another copy of them). */
const ROOT = process.env.ONNX_TESTDATA ?? '/usr/share/libonnx-testdata/data';
const SUITES = ['node', 'simple', 'pytorch-converted', 'pytorch-operator'] as const;

export const isInstalled = (): boolean => existsSync(ROOT);

/** Names of all test models: `node/test_add`. */
export const testNames = (): string[] =>
  SUITES.filter((suite) => existsSync(join(ROOT, suite))).flatMap((suite) =>
    readdirSync(join(ROOT, suite))
      .sort()
      .map((name) => `${suite}/${name.replace(/^test_/, '')}`),
  );

const folderOf = (name: string): string => join(ROOT, name.replace('/', '/test_'));

/** Inputs of operators that Decant wants to know when the graph is built: sizes, axes, repeats. */
const FIXED_INPUTS: Readonly<Record<string, readonly number[]>> = {
  Compress: [1],
  ConstantOfShape: [0],
  CumSum: [1],
  Dropout: [1, 2],
  Expand: [1],
  OneHot: [1],
  Pad: [1, 2, 3],
  Range: [0, 1, 2],
  Reshape: [1],
  Resize: [1, 2, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Trilu: [1],
  Unsqueeze: [1],
  Upsample: [1],
};

const fixedInputs = (opType: string): readonly number[] =>
  FIXED_INPUTS[opType] ?? (opType.startsWith('Reduce') ? [1] : []);

function readTensors(folder: string, kind: 'input' | 'output'): NDArray[] {
  const files = readdirSync(folder).filter((f) => f.startsWith(`${kind}_`));
  return Array.from({ length: files.length }, (_, i) =>
    tensorData(fromBinary(TensorProtoSchema, readFileSync(join(folder, `${kind}_${i}.pb`)))),
  );
}

/** Operators of a model, for telling why it is skipped. */
export function operatorsOf(name: string): string[] {
  const model = fromBinary(ModelProtoSchema, readFileSync(join(folderOf(name), 'model.onnx')));
  return [...new Set(model.graph!.node.map((n) => n.opType))].sort();
}

/** Imports a test model and compares both engines with the expected outputs; throws where they differ. */
export async function runNodeTest(name: string): Promise<void> {
  const bytes = readFileSync(join(folderOf(name), 'model.onnx'));
  const { graph } = fromBinary(ModelProtoSchema, bytes);
  const initial = new Set(graph!.initializer.map((t) => t.name));
  const given = graph!.input.map((i) => i.name).filter((i) => !initial.has(i));
  const fixedNames = new Set(graph!.node.flatMap((n) => fixedInputs(n.opType).map((i) => n.input[i] ?? '')));
  for (const set of readdirSync(folderOf(name)).filter((f) => f.startsWith('test_data_set'))) {
    const folder = join(folderOf(name), set);
    const inputs = readTensors(folder, 'input');
    const want = readTensors(folder, 'output');
    const at = (n: string): NDArray => inputs[given.indexOf(n)];
    const fixed = Object.fromEntries(given.filter((n) => fixedNames.has(n)).map((n) => [n, at(n)]));
    if (graph!.node.some((n) => n.opType === 'Range')) {
      for (const n of given) if (at(n).shape.length === 0) fixed[n] = at(n);
    }
    const shapes = Object.fromEntries(given.map((n) => [n, at(n).shape]));
    const model = importOnnx(bytes, { fixed, inputShapes: shapes });
    const args = model.inputs.map((p) => castArray(at(p.name), p.dtype));
    const { graph: traced } = trace(
      (...t: Tensor[]) => {
        const out = model.apply({}, Object.fromEntries(model.inputs.map((p, i) => [p.name, t[i]])));
        return model.outputs.map((o) => out[o.name]);
      },
      model.inputs.map((p) => ({ shape: p.shape, dtype: p.dtype })),
      model.inputs.map((p) => p.name),
    );
    const isHalf = graph!.input.concat(graph!.output).some((v) => {
      const type = v.type?.value.case === 'tensorType' ? v.type.value.value.elemType : 0;
      return type === 10 || type === 16;
    });
    compare(interpret(traced, args), want, `${name} on the oracle`, isHalf ? 1e-2 : 1e-4);
    compare(
      await runOrt(traced, args, { standardOnly: true }),
      want,
      `${name} on onnxruntime`,
      isHalf ? 1e-2 : 1e-4,
    );
  }
}

function compare(got: NDArray[], want: NDArray[], what: string, tolerance: number): void {
  if (got.length !== want.length) throw new Error(`${what}: ${got.length} outputs instead of ${want.length}`);
  want.forEach((w, k) => {
    const g = got[k];
    if (`${g.shape}` !== `${w.shape}`) {
      throw new Error(`${what}: output ${k} has shape [${g.shape}] instead of [${w.shape}]`);
    }
    const [a, b] = [toNumbers(g), toNumbers(w)];
    const scale = b.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 1);
    for (let i = 0; i < b.length; i++) {
      if (Object.is(a[i], b[i]) || a[i] === b[i]) continue;
      if (!(Math.abs(a[i] - b[i]) <= tolerance * scale)) {
        throw new Error(`${what}: output ${k}, element ${i} is ${a[i]} instead of ${b[i]}`);
      }
    }
  });
}
