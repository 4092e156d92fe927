import type { NDArray } from '../graph/ndarray.ts';
import type { ExternalDataOptions } from '../graph/onnx/external.ts';
import { type WriteOptions, writeOnnx, writeOnnxExternal } from '../graph/onnx/writer.ts';
import { optimize } from '../graph/passes/optimize.ts';
import type { Tensor, TensorType } from '../graph/tensor.ts';
import { type Graph, trace } from '../graph/trace.ts';
import { type MapTree, treeEntries } from '../graph/tree.ts';

/** A model as it is written to a file: its weights keep their dotted paths as names. */
export interface OnnxExport<P> {
  /** Weights: a tree of arrays. */
  params: NoInfer<MapTree<P, Tensor, NDArray>>;
  /** Inputs by name, with symbolic sizes where they vary: `{ input_ids: spec([sym('batch'), sym('seq')], 'int32') }`. */
  inputs: Readonly<Record<string, TensorType>>;
  /** From weights and inputs to the outputs by name. */
  forward: (params: P, inputs: Record<string, Tensor>) => Record<string, Tensor>;
  /** Declares int32 inputs and outputs as int64, as other tools expect; default true. */
  int64?: boolean | readonly string[];
  /** May onnxruntime's own operators appear? Default false: any ONNX tool reads the file. */
  allowContrib?: boolean;
  metadata?: Readonly<Record<string, string>>;
  graphName?: string;
}

/** The bytes of an ONNX model. Equal models give equal bytes. */
export function exportOnnx<P>(model: OnnxExport<P>): Uint8Array<ArrayBuffer> {
  const { graph, options } = prepare(model);
  return writeOnnx(graph, options);
}

/** For weights over 2 GB: the model, and the data file that it names; both as pieces in file order. */
export function exportOnnxExternal<P>(
  model: OnnxExport<P>,
  externalData: ExternalDataOptions = { location: 'model.onnx_data' },
): { model: Uint8Array[]; data: Uint8Array[] } {
  const { graph, options } = prepare(model);
  return writeOnnxExternal(graph, { ...options, externalData });
}

function prepare<P>(model: OnnxExport<P>): { graph: Graph; options: WriteOptions } {
  const weights = Object.fromEntries(treeEntries<NDArray>(model.params));
  const { graph } = trace(model.forward, [model.params, model.inputs], ['', '']);
  return {
    graph: optimize(graph),
    options: {
      standardOnly: !model.allowContrib,
      int64: model.int64 ?? true,
      outputNames: graph.outputNames,
      metadata: model.metadata,
      graphName: model.graphName,
      weights,
    },
  };
}
