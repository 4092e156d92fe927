import { describe, expect, it } from 'vitest';
import { sym } from '../../graph/index.ts';
import { modelFromConfig } from '../auto.ts';
import { tracedForward } from '../model.ts';
import { bertClassifier } from './bert.ts';
import { gcn } from './gcn.ts';
import { gpt2 } from './gpt2.ts';
import { prett } from './prett.ts';
import { resnet } from './resnet.ts';
import { sentenceEncoder } from './sentence.ts';
import { unet } from './unet.ts';
import { vit } from './vit.ts';

describe('models refuse', () => {
  it('sizes that do not fit', () => {
    expect(() => resnet({ depth: 18, channels: 3, imageSize: 32, classes: 2 })).toThrow(/6n \+ 2/);
    expect(() => vit({ image_size: 30, patch_size: 4 }, 2)).toThrow(/patch_size/);
    expect(() => unet({ sample_size: 10, block_out_channels: [8, 8, 8] })).toThrow(/multiples of 4/);
    expect(() => unet({ block_out_channels: [12] })).toThrow(/norm_num_groups/);
    expect(() => prett({ num_hidden_layers: 2, split_layer: 3 })).toThrow(/0 to 2/);
  });

  it('names that they do not know', () => {
    expect(() => sentenceEncoder({ encoder: 'lstm' as never })).toThrow(/bert, distilbert, bag/);
    expect(() => modelFromConfig({ architectures: ['T5Model'] })).toThrow(/T5Model[\s\S]*LlamaForCausalLM/);
    const odd = bertClassifier({ hidden_act: 'softmax' }, 2);
    expect(() => tracedForward(odd, {})).toThrow(/hidden_act[\s\S]*gelu/);
  });

  it('inputs that they cannot take', () => {
    const long = gpt2({ n_positions: 8, n_layer: 1 });
    const inputs = { input_ids: { shape: [sym('batch'), 9], dtype: 'int64' as const } };
    expect(() => tracedForward({ ...long, inputs } as never, {})).toThrow(/at most 8/);
    const graph = gcn({ features: 4, classes: 2 });
    const { features: _, ...without } = graph.inputs;
    expect(() => tracedForward({ ...graph, inputs: without }, {})).toThrow(/needs features/);
  });
});
