import {
  add,
  concat,
  exp,
  expandDims,
  log,
  matmul,
  maximum,
  mul,
  reshape,
  sigmoid,
  slice,
  square,
  squeeze,
  sub,
  sum,
  type Tensor,
  transpose,
} from '../../graph/index.ts';
import {
  type CandidateInputs,
  candidateInputTypes,
  flattenDocuments,
  groupDocuments,
  type RankOutputs,
} from '../layers/candidates.ts';
import { embedding, embeddingParams } from '../layers/embedding.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { normalizeRows, realTokens } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { normalInit, onesInit, type ParamSpecs, prefixed, uniformInit, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';
import { type BertConfig, bertDefaults, bertEncoder, bertParams, type TextInputs } from './bert.ts';

export interface KernelPoolingConfig extends BertConfig {
  /** Centres of the kernels, cosines. */
  kernels: readonly number[];
  /** Width of every kernel. */
  sigma: number;
  /** A learnt weight per query word: rare words may say more than frequent ones (term gating, Guo et al. 2016). */
  term_weights: boolean;
}

export const kernelDefaults = {
  kernels: [1, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5, -0.7, -0.9],
  sigma: 0.1,
  term_weights: false,
} as const;

/**
 * Soft counts of matching words: kernels K_k = exp(-(cos - μ_k)² / 2σ²) over the cosines of query and document words,
 * Σ over the document, log, Σ over the query, one linear layer (K-NRM, Xiong et al. 2017). With layers > 0 the words
 * are mixed with their states in a small transformer before (TK, Hofstätter et al. 2020). Equal words match from the
 * first step on, so that it learns from little data.
 */
export function kernelPooling(config: Partial<KernelPoolingConfig>): Model<CandidateInputs, RankOutputs> {
  const c = { ...bertDefaults, ...kernelDefaults, ...config } as KernelPoolingConfig;
  const contextual = c.num_hidden_layers > 0;
  const words = embeddingParams(c.vocab_size, c.hidden_size, normalInit(1));
  return {
    architecture: 'KernelPooling',
    config: { ...c, architectures: ['KernelPooling'], model_type: 'kernel-pooling' },
    params: {
      ...prefixed('word_embeddings', words),
      ...(contextual ? { ...prefixed('context', bertParams(c)), mix: { shape: [1], init: zerosInit } } : {}),
      ...(c.term_weights ? prefixed('term_weights', embeddingParams(c.vocab_size, 1, onesInit)) : {}),
      kernel_scale: { shape: [c.kernels.length], init: onesInit },
      ...prefixed('score', linearParams(c.kernels.length, 1, { bias: false, init: uniformInit(0.014) })),
    } as ParamSpecs,
    inputs: candidateInputTypes(),
    forward(s, inputs) {
      const ids = inputs.document_input_ids;
      const [batch, docs, tokens] = ids.shape;
      const embed = (text: TextInputs): Tensor => normalizeRows(states(s, c, text, contextual));
      const query = embed({ input_ids: inputs.query_input_ids, attention_mask: inputs.query_attention_mask });
      const mask = inputs.document_attention_mask;
      const documents = groupDocuments(
        embed({ input_ids: flattenDocuments(ids), attention_mask: mask && flattenDocuments(mask) }),
        ids,
      );
      // [batch, documents, query tokens, document tokens]
      const cosines = s.tap(matmul(expandDims(query, 1), documents, { transB: true }), 'cosines');
      const real = mask && reshape(realTokens(mask), [batch, docs, 1, tokens]);
      const asked = queryWeights(s, c, inputs);
      const scale = s.param('kernel_scale');
      const counts = c.kernels.map((centre, k) => {
        const near = exp(mul(square(sub(cosines, centre)), -1 / (2 * c.sigma ** 2)));
        const soft = mul(sum(real ? mul(near, real) : near, 3), pick(scale, k));
        const logs = log(maximum(soft, 1e-10));
        return expandDims(sum(asked ? mul(logs, asked) : logs, 2), 2);
      });
      const features = s.tap(concat(counts, 2), 'kernels');
      return { logits: s.tap(squeeze(linear(s.at('score'), features), [2]), 'scores') };
    },
  };
}

/** What each query word counts for, `[batch, 1, query tokens]`: 1 or its own weight, padding 0; undefined when all count 1. */
function queryWeights(s: Scope, c: KernelPoolingConfig, inputs: CandidateInputs): Tensor | undefined {
  const { query_input_ids: ids, query_attention_mask: mask } = inputs;
  const real = mask && expandDims(realTokens(mask), 1);
  if (!c.term_weights) return real;
  const own = transpose(embedding(s.at('term_weights'), ids), [0, 2, 1]);
  return real ? mul(own, real) : own;
}

const pick = (x: Tensor, i: number): Tensor => slice(x, { axes: [0], starts: [i], ends: [i + 1] });

/** Word vectors, mixed with their states in context: μ·word + (1 - μ)·state. */
function states(s: Scope, c: KernelPoolingConfig, text: TextInputs, contextual: boolean): Tensor {
  const words = embedding(s.at('word_embeddings'), text.input_ids);
  if (!contextual) return words;
  const context = bertEncoder(s.at('context'), c, text).at(-1)!;
  const share = sigmoid(s.param('mix'));
  return add(mul(words, share), mul(context, sub(1, share)));
}
