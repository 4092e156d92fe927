import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import {
  mean,
  type NDArray,
  ndarray,
  squaredDifference,
  type Tensor,
  toNumbers,
} from '../src/graph/index.ts';
import { supervised } from '../src/methods/logits/kd.ts';
import { distillation } from '../src/methods/objective.ts';
import { graphInputs } from '../src/nn/graph-data.ts';
import { withLora } from '../src/nn/lora.ts';
import { type AnyModel, init } from '../src/nn/model.ts';
import { bagClassifier } from '../src/nn/models/bag.ts';
import { bertClassifier, bertTokenClassifier } from '../src/nn/models/bert.ts';
import { clip } from '../src/nn/models/clip.ts';
import { cnn } from '../src/nn/models/cnn.ts';
import { colbert } from '../src/nn/models/colbert.ts';
import { crossEncoder } from '../src/nn/models/cross-encoder.ts';
import { diffusionMlp } from '../src/nn/models/diffusion-mlp.ts';
import { distilbertClassifier } from '../src/nn/models/distilbert.ts';
import { dualEncoder } from '../src/nn/models/dual-encoder.ts';
import { gat } from '../src/nn/models/gat.ts';
import { gcn } from '../src/nn/models/gcn.ts';
import { gpt2 } from '../src/nn/models/gpt2.ts';
import { llama } from '../src/nn/models/llama.ts';
import { mlp } from '../src/nn/models/mlp.ts';
import { prett } from '../src/nn/models/prett.ts';
import { resnet } from '../src/nn/models/resnet.ts';
import { graphSage } from '../src/nn/models/sage.ts';
import { sentenceEncoder } from '../src/nn/models/sentence.ts';
import { textCnn } from '../src/nn/models/text-cnn.ts';
import { unet } from '../src/nn/models/unet.ts';
import { vit } from '../src/nn/models/vit.ts';
import { adam } from '../src/optim/index.ts';
import { type TrainResult, train } from '../src/train/loop.ts';
import type { Objective } from '../src/train/objective.ts';
import { createRng } from '../src/util/rng.ts';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const N = 32;
const CLASSES = 4;
const VOCAB = 40;
const rng = createRng('overfit');
const ints = (shape: number[], low: number, high: number): NDArray =>
  ndarray(
    Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => low + rng.int(high - low)),
    shape,
  );
const normals = (shape: number[]): NDArray =>
  ndarray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  );
const ones = (shape: number[]): NDArray =>
  ndarray(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape);

const images = { pixel_values: normals([N, 2, 8, 8]) };
// every text begins with a token of its own, so that a decoder can tell them apart from the first position on
const ids = ints([N, 6], 1, VOCAB);
for (let i = 0; i < N; i++) (ids.data as Int32Array)[i * 6] = i + 1;
const texts = { input_ids: ids, attention_mask: ints([N, 6], 1, 2) };
const candidates = {
  query_input_ids: ints([N, 4], 1, VOCAB),
  document_input_ids: ints([N, CLASSES, 5], 1, VOCAB),
};
// queries begin with [CLS], as rankers read them
for (let i = 0; i < N; i++) (candidates.query_input_ids.data as Int32Array)[i * 4] = 1;
const noisy = {
  timestep: ndarray(
    Float32Array.from({ length: N }, (_, i) => i),
    [N],
  ),
};
const nodes = graphInputs({
  nodes: N,
  features: 12,
  edges: Array.from({ length: N }, (_, i) => [i, (i * 7 + 3) % N])
    .filter(([a, b]) => a !== b)
    .flat(),
  x: Float32Array.from({ length: N * 12 }, () => (rng.uniform() < 0.3 ? 1 : 0)),
});
const classes = ints([N], 0, CLASSES);

const encoder = {
  vocab_size: VOCAB,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 48,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
};
const decoder = { ...encoder, num_key_value_heads: 1, max_position_embeddings: 16 };
const graph = { features: 12, classes: CLASSES, hidden: 16, dropout: 0 };
const picture = { channels: 2, imageSize: 8, classes: CLASSES };

interface Case {
  readonly model: AnyModel;
  readonly inputs: Readonly<Record<string, NDArray>>;
  /** Classes to learn; or an output to be matched in the mean of squares. */
  readonly labels?: NDArray;
  readonly target?: { readonly output: string; readonly value: NDArray };
  readonly steps?: number;
  readonly lr?: number;
}

const language = (model: unknown): Case => ({
  model: model as AnyModel,
  inputs: { input_ids: texts.input_ids },
  labels: ints([N, 6], 0, CLASSES),
});

const CASES: Record<string, Case> = {
  mlp: {
    model: mlp({ inputs: 8, hidden: [32], outputs: CLASSES }),
    inputs: { features: normals([N, 8]) },
    labels: classes,
  },
  cnn: { model: cnn({ ...picture, widths: [8, 16], hidden: 32 }), inputs: images, labels: classes },
  resnet: { model: resnet({ ...picture, depth: 8, width: 8 }), inputs: images, labels: classes, steps: 60 },
  vit: {
    model: vit({ ...encoder, image_size: 8, patch_size: 4, num_channels: 2 }, CLASSES),
    inputs: images,
    labels: classes,
  },
  clip: {
    model: clip({
      text_config: { ...encoder, eos_token_id: 0 },
      vision_config: { ...encoder, image_size: 8, patch_size: 4, num_channels: 2 },
      projection_dim: 16,
    }),
    inputs: { ...images, input_ids: texts.input_ids },
    labels: ndarray(
      Int32Array.from({ length: N }, (_, i) => i),
      [N],
    ),
  },
  bert: { model: bertClassifier(encoder, CLASSES), inputs: texts, labels: classes },
  'bert-token': { ...language(bertTokenClassifier(encoder, CLASSES)) },
  distilbert: {
    model: distilbertClassifier(
      {
        vocab_size: VOCAB,
        dim: 16,
        n_layers: 2,
        n_heads: 2,
        hidden_dim: 32,
        dropout: 0,
        attention_dropout: 0,
        seq_classif_dropout: 0,
      },
      CLASSES,
    ),
    inputs: texts,
    labels: classes,
  },
  bag: {
    model: bagClassifier({ vocab_size: VOCAB, width: 16, buckets: 256, dropout: 0 }, CLASSES),
    inputs: texts,
    labels: classes,
  },
  'text-cnn': {
    model: textCnn({ vocab_size: VOCAB, width: 16, kernels: [2, 3], maps: 16, dropout: 0 }, CLASSES),
    inputs: texts,
    labels: classes,
  },
  gpt2: language(
    gpt2({
      vocab_size: VOCAB,
      n_embd: 32,
      n_layer: 1,
      n_head: 2,
      n_positions: 16,
      resid_pdrop: 0,
      embd_pdrop: 0,
      attn_pdrop: 0,
    }),
  ),
  llama: language(llama({ ...decoder, hidden_size: 32 })),
  qwen3: language(llama({ ...decoder, hidden_size: 32, model_type: 'qwen3', tie_word_embeddings: true })),
  sentence: {
    model: sentenceEncoder({ ...encoder, hidden_size: 32, normalize: false }),
    inputs: texts,
    target: { output: 'sentence_embedding', value: normals([N, 32]) },
    steps: 300,
  },
  'dual-encoder': {
    model: dualEncoder({ ...encoder, projection: 16, normalize: false, shared: false }),
    inputs: candidates,
    labels: classes,
  },
  'dual-bag': {
    model: dualEncoder({
      encoder: 'bag',
      vocab_size: VOCAB,
      hidden_size: 32,
      normalize: false,
      shared: false,
    }),
    inputs: candidates,
    labels: classes,
  },
  'cross-encoder': {
    model: crossEncoder(encoder),
    inputs: { input_ids: ints([N, CLASSES, 5], 1, VOCAB) },
    labels: classes,
  },
  colbert: { model: colbert({ ...encoder, dim: 16 }), inputs: candidates, labels: classes },
  prett: {
    model: prett({
      ...encoder,
      num_hidden_layers: 2,
      split_layer: 1,
      max_query_length: 8,
      compression: 8,
      hidden_size: 32,
    }),
    inputs: candidates,
    labels: classes,
    lr: 0.003,
    steps: 200,
  },
  gcn: { model: gcn({ ...graph, hidden: 32 }), inputs: nodes, labels: classes, steps: 500 },
  sage: { model: graphSage(graph), inputs: nodes, labels: classes },
  gat: { model: gat({ ...graph, heads: 4, outputHeads: 4 }), inputs: nodes, labels: classes, steps: 500 },
  'diffusion-mlp': {
    model: diffusionMlp({ inputs: 2, hidden: 64, blocks: 2, time: 32 }),
    inputs: { ...noisy, sample: normals([N, 2]) },
    target: { output: 'prediction', value: normals([N, 2]) },
  },
  unet: {
    model: unet({
      sample_size: 4,
      in_channels: 1,
      out_channels: 1,
      block_out_channels: [4, 8],
      norm_num_groups: 2,
    }),
    steps: 100,
    inputs: { ...noisy, sample: normals([N, 1, 4, 4]) },
    target: { output: 'prediction', value: normals([N, 1, 4, 4]) },
  },
};

function objectiveOf({ model, target }: Case): Objective {
  if (!target) return distillation(model, supervised, supervised.config.parse({}));
  // the target rides along as a teacher's score would
  const method = {
    ...supervised,
    loss: ({
      student,
      columns,
    }: {
      student: Readonly<Record<string, Tensor>>;
      columns: Readonly<Record<string, Tensor>>;
    }) => {
      const off = squaredDifference(student[target.output], columns.target);
      return {
        mse: {
          value: mean(
            off,
            Array.from({ length: off.rank - 1 }, (_, i) => i + 1),
          ),
        },
      };
    },
  };
  return distillation(model, method, supervised.config.parse({}));
}

async function overfit(c: Case): Promise<{ result: TrainResult; losses: number[] }> {
  const rows = [N];
  const batch = {
    ...Object.fromEntries(Object.entries(c.inputs).map(([n, a]) => [`input/${n}`, a])),
    ...(c.labels ? { labels: c.labels } : {}),
    ...(c.target ? { target: c.target.value } : {}),
    'mask/examples': ones(rows),
    'mask/labelled': ones(rows),
    ...(c.labels && c.labels.shape.length === 2 ? { 'mask/tokens': ones([...c.labels.shape]) } : {}),
  };
  const losses: number[] = [];
  const result = await train({
    engine,
    objective: objectiveOf(c),
    params: init(c.model, 1),
    // one batch holds all 32, as a graph does
    source: { size: 1, collate: () => batch },
    batchSize: 1,
    steps: c.steps ?? 150,
    optimizer: adam(),
    lr: () => c.lr ?? 0.01,
    clip: 1,
    seed: 1,
    onStep: ({ terms }) => losses.push(terms.ce ?? terms.mse),
    stopRequested: () => losses[losses.length - 1] < 0.03,
  });
  return { result, losses };
}

describe('every model family overfits 32 samples', () => {
  it.each(Object.entries(CASES))('%s', async (_, c) => {
    const { losses } = await overfit(c);
    expect(losses[0]).toBeGreaterThan(0.5);
    expect(losses.at(-1)).toBeLessThan(0.05);
  });

  it('LoRA: the loss falls, and nothing but adapters moves', async () => {
    const base = CASES.bert;
    const model = withLora(base.model, { rank: 4, targets: 'all' });
    const start = init(model, 1);
    const { result, losses } = await overfit({ ...base, model });
    expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]);
    for (const [name, a] of Object.entries(result.params)) {
      const same = toNumbers(a).every((v, i) => v === toNumbers(start[name])[i]);
      expect(same, name).toBe(!name.includes('.lora_'));
    }
  });
});
