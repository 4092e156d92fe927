import { fromBinary } from '@bufbuild/protobuf';
import { type GraphProto, type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { DecantError } from '../../../util/errors.ts';

/** Operator sets of the ONNX standard that the importers know. */
export const OPSETS = { min: 6, max: 28 } as const;

/** The protobuf message in `bytes`, with its graph's structure checked; every failure is a `model` DecantError. */
export function decodeModel(bytes: Uint8Array, at: string): { model: ModelProto; graph: GraphProto } {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw malformed(at, 'the bytes are no protobuf message of an ONNX model', { cause });
  }
  const { graph } = model;
  if (!graph || graph.node.length + graph.output.length === 0) {
    throw malformed(at, 'the file holds no graph', { fix: 'check that it is an .onnx file and complete' });
  }
  checkNames(graph, at);
  return { model, graph };
}

export const malformed = (at: string, what: string, details: object = {}): DecantError =>
  new DecantError('model', what, { at, ...details });

/** Version of the standard operators that a model uses. */
export function standardOpset(model: ModelProto, at: string): number {
  const found = model.opsetImport.find((o) => o.domain === '' || o.domain === 'ai.onnx');
  const version = Number(found?.version ?? 1n);
  if (version < OPSETS.min || version > OPSETS.max) {
    throw malformed(at, 'an operator set that is not supported', {
      seen: version,
      allowed: `${OPSETS.min} to ${OPSETS.max}`,
      fix: 'convert the model with onnx.version_converter, or export it again',
    });
  }
  return version;
}

/** Every value is made once, before it is used (static single assignment, topological order). */
function checkNames(graph: GraphProto, at: string): void {
  const known = new Set<string>(['']);
  const define = (name: string, where: string): void => {
    if (name === '') throw malformed(at, `${where} has no name`);
    if (known.has(name)) throw malformed(at, `the value '${name}' is defined twice`, { seen: where });
    known.add(name);
  };
  for (const t of graph.initializer) define(t.name, 'an initializer');
  for (const s of graph.sparseInitializer) define(s.values?.name ?? '', 'a sparse initializer');
  for (const i of graph.input) {
    // up to IR version 3 initializers were inputs too
    if (!known.has(i.name) || i.name === '') define(i.name, 'an input');
  }
  for (const n of graph.node) {
    for (const i of n.input) {
      if (!known.has(i)) {
        throw malformed(at, `node '${nodeLabel(n)}' uses the value '${i}' before it is defined`);
      }
    }
    for (const o of n.output) if (o !== '') define(o, `an output of node '${nodeLabel(n)}'`);
  }
  for (const o of graph.output) {
    if (!known.has(o.name)) throw malformed(at, `the output '${o.name}' is made by no node`);
  }
}

/** What a user can find a node by. */
export const nodeLabel = (n: { name: string; opType: string; output: readonly string[] }): string =>
  n.name || n.output.find((o) => o !== '') || n.opType;
