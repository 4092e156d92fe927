import type { Engine } from '../../engine/engine.ts';
import type { NDArray } from '../../graph/index.ts';
import { createInference } from '../../nn/inference.ts';
import type { Params } from '../../nn/params.ts';
import type { BuiltRanker, TextList } from './build.ts';

/** A ranker on the engine. */
export interface Scorer {
  /** Scores of every list's documents. */
  score(lists: readonly TextList[]): Promise<Float32Array[]>;
  setParams(params: Params<NDArray>): Promise<void>;
  dispose(): Promise<void>;
}

/** Tokens that are run at a time. */
const TOKENS = 16_384;

/** Scores lists of any length: pairs of query and document are laid out alike, and longer documents run together. */
export async function scoreLists(
  built: BuiltRanker,
  lists: readonly TextList[],
  run: (inputs: Record<string, NDArray>) => Promise<NDArray>,
): Promise<Float32Array[]> {
  const out = lists.map((l) => new Float32Array(l.documents.length));
  // single pairs: documents of one query differ in length, and padding all to the longest costs more
  const pairs = lists.flatMap((l, list) => l.documents.map((d, at) => ({ list, at, d, query: l.query })));
  const encoded = built.lists(pairs.map((p) => ({ query: p.query, documents: [p.d] })));
  const order = pairs.map((_, i) => i).sort((a, b) => encoded.lengths[a] - encoded.lengths[b]);
  for (let from = 0; from < order.length; ) {
    let size = 1;
    while (
      from + size < order.length &&
      size < 512 &&
      (size + 1) * encoded.lengths[order[from + size]] <= TOKENS
    )
      size++;
    const rows = order.slice(from, from + size);
    const logits = await run(encoded.inputs(rows));
    rows.forEach((row, r) => {
      out[pairs[row].list][pairs[row].at] = (logits.data as Float32Array)[r];
    });
    from += size;
  }
  return out;
}

/** Opens a ranker on the engine. */
export async function openScorer(
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
): Promise<Scorer> {
  const inference = createInference(engine, built.model);
  await inference.setParams(params);
  return {
    score: (lists) => scoreLists(built, lists, async (inputs) => (await inference.run(inputs)).logits),
    setParams: (next) => inference.setParams(next),
    dispose: () => inference.dispose(),
  };
}
