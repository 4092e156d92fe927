/** The graph layer as the package offers it: all of index.ts, and ONNX files. */
export * from './index.ts';
export * from './onnx/reader.ts';
export { type WriteOptions, writeOnnx, writeOnnxExternal } from './onnx/writer.ts';
