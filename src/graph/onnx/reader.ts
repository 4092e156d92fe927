export type { ExternalData } from './external.ts';
export {
  type ApplyOptions,
  asInput,
  type ImportOptions,
  importOnnx,
  type OnnxModel,
  type OnnxPort,
} from './import/model.ts';
