import { squeeze, type Tensor } from '../../graph/index.ts';
import { flattenDocuments, groupDocuments } from '../layers/candidates.ts';
import type { Model } from '../model.ts';
import { type BertConfig, bertClassifier, type ClassifierOutputs, type TextInputs } from './bert.ts';

/**
 * A cross-encoder (Nogueira & Cho 2019): query and document read together, one score per pair, a
 * `BertForSequenceClassification` with one label. Takes pairs `[batch, seq]` (logits `[batch, 1]`), or the candidates of
 * each query `[batch, documents, seq]` (logits `[batch, documents]`).
 */
export function crossEncoder(config: Partial<BertConfig>): Model<TextInputs, ClassifierOutputs> {
  const model = bertClassifier(config, 1);
  return {
    ...model,
    forward(s, inputs) {
      const { input_ids: ids } = inputs;
      if (ids.rank === 2) return model.forward(s, inputs);
      const flat = Object.fromEntries(
        Object.entries(inputs).map(([n, t]): [string, Tensor | undefined] => [n, t && flattenDocuments(t)]),
      ) as TextInputs;
      const { logits, pooled } = model.forward(s, flat);
      return { logits: squeeze(groupDocuments(logits, ids), [2]), pooled: groupDocuments(pooled, ids) };
    },
  };
}
