import type { Engine } from '../engine/engine.ts';
import { createNodeEngine } from '../engine/node/engine.ts';
import { createReferenceEngine } from '../engine/reference/engine.ts';

/** The engine of a run: onnxruntime in Node, or the float64 interpreter (exact and very slow: for tiny models). */
export const openEngine = ({ engine, threads }: { engine?: string; threads?: number }): Engine =>
  engine === 'reference' ? createReferenceEngine() : createNodeEngine({ threads });
