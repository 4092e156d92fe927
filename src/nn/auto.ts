import { DecantError } from '../util/errors.ts';
import type { GnnConfig } from './layers/graph.ts';
import type { AnyModel } from './model.ts';
import { bagClassifier } from './models/bag.ts';
import { bertClassifier, bertModel, bertTokenClassifier } from './models/bert.ts';
import { type ClipConfig, clip } from './models/clip.ts';
import { type CnnConfig, cnn } from './models/cnn.ts';
import { colbert } from './models/colbert.ts';
import { type DiffusionMlpConfig, diffusionMlp } from './models/diffusion-mlp.ts';
import { distilbertClassifier, distilbertModel } from './models/distilbert.ts';
import { dualEncoder } from './models/dual-encoder.ts';
import { type GatConfig, gat } from './models/gat.ts';
import { gcn } from './models/gcn.ts';
import { gpt2 } from './models/gpt2.ts';
import { type KernelPoolingConfig, kernelPooling } from './models/kernel-pooling.ts';
import { type DecoderModel, llama } from './models/llama.ts';
import { type MlpConfig, mlp } from './models/mlp.ts';
import { prett } from './models/prett.ts';
import { type ResnetConfig, resnet } from './models/resnet.ts';
import { graphSage } from './models/sage.ts';
import { sentenceEncoder } from './models/sentence.ts';
import { textCnn } from './models/text-cnn.ts';
import { type UnetConfig, unet } from './models/unet.ts';
import { vit } from './models/vit.ts';
import { foldSubclasses, withOutputs } from './subclasses.ts';

type Config = Readonly<Record<string, unknown>>;

/** Number of classes of a config.json: `num_labels`, else the size of `id2label`, else 2 (the library's default). */
export function labelsOf(config: Config): number {
  if (typeof config.num_labels === 'number') return config.num_labels;
  return config.id2label ? Object.keys(config.id2label as object).length : 2;
}

/** Class names in id order, when the config has them. */
export function labelNamesOf(config: Config): string[] | undefined {
  const map = config.id2label as Record<string, string> | undefined;
  return map && Object.keys(map).map((_, i) => map[String(i)]);
}

const ARCHITECTURES: Record<string, (c: Config) => AnyModel | DecoderModel> = {
  BertForSequenceClassification: (c) => bertClassifier(c, labelsOf(c)),
  BertForTokenClassification: (c) => bertTokenClassifier(c, labelsOf(c)),
  BertModel: (c) => bertModel(c, { pooler: c.add_pooling_layer !== false }),
  DistilBertForSequenceClassification: (c) => distilbertClassifier(c, labelsOf(c)),
  DistilBertModel: (c) => distilbertModel(c),
  GPT2LMHeadModel: (c) => gpt2(c),
  LlamaForCausalLM: (c) => llama({ ...c, model_type: 'llama' }),
  Qwen2ForCausalLM: (c) => llama({ ...c, model_type: 'qwen2' }),
  BagForSequenceClassification: (c) => bagClassifier(c, labelsOf(c)),
  Mlp: (c) => mlp(c as unknown as MlpConfig),
  Cnn: (c) => cnn(c as unknown as CnnConfig),
  SmallResNet: (c) => resnet(c as unknown as ResnetConfig),
  Qwen3ForCausalLM: (c) => llama({ ...c, model_type: 'qwen3' }),
  TextCnnForSequenceClassification: (c) => textCnn(c, labelsOf(c)),
  ViTForImageClassification: (c) => vit(c, labelsOf(c)),
  CLIPModel: (c) => clip(c as unknown as ClipConfig),
  SentenceEncoder: (c) => sentenceEncoder(c),
  DualEncoder: (c) => dualEncoder(c),
  HF_ColBERT: (c) => colbert(c),
  PrettForSequenceClassification: (c) => prett(c),
  KernelPooling: (c) => kernelPooling(c as unknown as Partial<KernelPoolingConfig>),
  Gcn: (c) => gcn(c as unknown as GnnConfig),
  GraphSage: (c) => graphSage(c as unknown as GnnConfig),
  Gat: (c) => gat(c as unknown as GatConfig),
  DiffusionMlp: (c) => diffusionMlp(c as unknown as DiffusionMlpConfig),
  UNet2DModel: (c) => unet(c as unknown as UnetConfig),
};

/** Architectures of config.json files that Decant can build. */
export const architectures = (): string[] => Object.keys(ARCHITECTURES);

/** The model that a config.json describes (its `architectures[0]`). */
export function modelFromConfig(config: Config): AnyModel | DecoderModel {
  const name = (config.architectures as string[] | undefined)?.[0];
  const make = name === undefined ? undefined : ARCHITECTURES[name];
  if (!make) {
    throw new DecantError('model', 'the architecture is not supported', {
      at: 'config.json: architectures[0]',
      seen: name ?? null,
      allowed: architectures().join(', '),
      fix: 'use an ONNX file of the model, or one of these architectures',
    });
  }
  const subclasses = Number(config.subclasses ?? 1);
  if (subclasses <= 1) return make(config);
  const classes = outputsOf(config);
  const wide = make(withOutputs(config, classes * subclasses));
  if (isDecoder(wide))
    throw new DecantError('model', 'only classifiers have subclasses', {
      at: 'config.json: subclasses',
      seen: name,
    });
  return foldSubclasses(wide, config, classes, subclasses);
}

/** Number of classes of any classifier's configuration. */
const outputsOf = (c: Config): number =>
  [c.outputs, c.classes].find((n) => typeof n === 'number') ?? labelsOf(c);

/** The same classifier with several outputs per class (see `foldSubclasses`), its head that much wider. */
export function withSubclasses(model: AnyModel, subclasses: number): AnyModel {
  return modelFromConfig({ ...model.config, subclasses }) as AnyModel;
}

export const isDecoder = (m: AnyModel | DecoderModel): m is DecoderModel => 'shape' in m && 'vocab' in m;
