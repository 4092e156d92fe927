/** Text from decoder language models: cached decoding, searches, constraints, scoring. */
export {
  type Beam,
  type BeamSearchOptions,
  beamSearch,
  type DiverseBeamOptions,
  diverseBeamSearch,
} from './beam.ts';
export { grammarConstraint, jsonConstraint, type TokenTable } from './constraint.ts';
export { type ContrastiveOptions, type ContrastiveResult, contrastiveSearch } from './contrastive.ts';
export { type DecoderBeamOptions, decoderBeams } from './decoder-beam.ts';
export {
  type Constraint,
  type ConstraintState,
  type GenerateOptions,
  type Generation,
  generate,
  type Scored,
  scoreTokens,
  type TextDecoder,
} from './generate.ts';
export { type JsonSchema, validates } from './json-schema.ts';
export type { SamplingOptions } from './sampling.ts';
export {
  type Cache,
  type DecoderSession,
  type OrtModule,
  openDecoderSession,
  type SessionOptions,
} from './session.ts';
