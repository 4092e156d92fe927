// Free of Node: the engine on onnxruntime-node is in node/engine.ts.
export {
  type Compiled,
  type CompileOptions,
  compile,
  compileWith,
  type Host,
  type Types,
} from './compile.ts';
export type { Engine, Executable, LoadOptions, OperatorTime } from './engine.ts';
export { createReferenceEngine } from './reference/engine.ts';
export { createWebEngine, type WebEngine, type WebEngineOptions } from './web/engine.ts';
