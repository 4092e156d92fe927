import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { array, toNumbers } from '../graph/ndarray.ts';
import { isDecantError } from '../util/errors.ts';
import { type Folder, memoryFolder, readBytes, readText, writeText } from '../util/folder.ts';
import { INDEX_FILE } from './checkpoint.ts';
import { readModelFolder, specialTokens, writeModelFolder } from './folder.ts';
import { externalDataPath, findOnnx, onnxPath, parseOnnxPath } from './onnx-files.ts';

const snapshot = async (folder: Folder): Promise<Record<string, string>> => {
  const out: Record<string, string> = {};
  for (const p of await folder.list()) out[p] = Buffer.from((await readBytes(folder, p))!).toString('latin1');
  return out;
};

const CONFIG = `{
  "architectures": ["GPT2LMHeadModel"],
  "initializer_range": 0.020,   "layer_norm_epsilon": 1e-05,
  "n_layer": 2, "house_rule": {"kept": [1, 2.0]}
}`;
const TOKENIZER_CONFIG =
  '{\n  "model_max_length": 1000000000000000019884624838656,\n  "eos_token": {"__type": "AddedToken", "content": "</s>"},\n  "chat_template": "{{ 1 }}"\n}\n';

async function example(): Promise<Folder> {
  const folder = memoryFolder();
  await writeModelFolder(folder, {
    weights: new Map([
      ['w', array([[1, 2]])],
      ['b', array([3], 'float16')],
    ]),
    maxShardBytes: 4,
  });
  await writeText(folder, 'config.json', CONFIG);
  await writeText(folder, 'tokenizer_config.json', TOKENIZER_CONFIG);
  await writeText(folder, 'tokenizer.json', '{"version":"1.0","model":{"vocab":{"\\u0120a":0}}}');
  await writeText(folder, 'README.md', '# hello');
  await writeText(folder, 'vocab.json', '{}');
  await writeText(folder, 'onnx/model.onnx', 'ONNX');
  return folder;
}

describe('model folders', () => {
  it('come out byte-equal when nothing changed', async () => {
    const folder = await example();
    const copy = memoryFolder();
    await writeModelFolder(copy, { from: await readModelFolder(folder) });
    expect(await snapshot(copy)).toEqual(await snapshot(folder));
    const decoded = memoryFolder();
    const from = await readModelFolder(folder);
    await writeModelFolder(decoded, {
      from,
      config: { ...from.config },
      weights: await from.checkpoint!.readAll(),
    });
    const { 'onnx/model.onnx': _, ...rest } = await snapshot(folder);
    expect(await snapshot(decoded)).toEqual(rest);
  });

  it('keep unknown keys and the spelling of what did not change', async () => {
    const from = await readModelFolder(await example());
    const target = memoryFolder();
    await writeModelFolder(target, {
      from,
      config: { ...from.config, n_layer: 1, added: { deep: true } },
      tokenizer: { version: '1.0', model: { vocab: {} } },
      weights: new Map([['w', array([[5, 6]])]]),
      chatTemplate: '{{ 2 }}',
      files: new Map([[onnxPath('q8'), [new TextEncoder().encode('Q')]]]),
    });
    expect(await readText(target, 'config.json')).toBe(
      '{\n  "architectures": ["GPT2LMHeadModel"],\n  "initializer_range": 0.020,\n  "layer_norm_epsilon": 1e-05,\n' +
        '  "n_layer": 1,\n  "house_rule": {"kept": [1, 2.0]},\n  "added": {\n    "deep": true\n  }\n}',
    );
    expect(await readText(target, 'tokenizer_config.json')).toContain('1000000000000000019884624838656');
    expect(await target.list()).toEqual([
      'README.md',
      'chat_template.jinja',
      'config.json',
      'model.safetensors',
      'onnx/model_quantized.onnx',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const back = await readModelFolder(target, ['config', 'tokenizer', 'weights', 'onnx']);
    expect(back.chatTemplates).toEqual({ default: '{{ 2 }}' });
    expect(back.tokenizerConfig?.chat_template).toBe('{{ 2 }}');
    expect([...toNumbers(await back.checkpoint!.read('w'))]).toEqual([5, 6]);
    expect(specialTokens(back.tokenizerConfig)).toEqual({ eos: '</s>' });
  });

  it('reads chat templates from every place they are kept in', async () => {
    const folder = memoryFolder();
    const list = [
      { name: 'default', template: 'A' },
      { name: 'tool_use', template: 'B' },
    ];
    await writeText(folder, 'tokenizer_config.json', JSON.stringify({ chat_template: list }));
    expect((await readModelFolder(folder)).chatTemplates).toEqual({ default: 'A', tool_use: 'B' });
    await writeText(folder, 'chat_template.jinja', 'C');
    await writeText(folder, 'additional_chat_templates/rag.jinja', 'D');
    expect((await readModelFolder(folder)).chatTemplates).toEqual({ default: 'C', tool_use: 'B', rag: 'D' });
    await writeText(folder, 'tokenizer_config.json', JSON.stringify({ chat_template: [{ name: 'x' }] }));
    await expect(readModelFolder(folder)).rejects.toThrow(/tokenizer_config\.json: chat_template\[0\]/);
  });

  it('lists everything that is missing, and says where JSON is broken', async () => {
    const folder = memoryFolder(new Map(), 'some/model');
    await expect(readModelFolder(folder, ['config', 'tokenizer', 'weights', 'onnx'])).rejects.toThrow(
      /some\/model: missing: config\.json, tokenizer\.json, model\.safetensors, onnx\/model\.onnx/,
    );
    await writeText(folder, 'config.json', '{\n  "a": 1,\n}');
    await expect(readModelFolder(folder)).rejects.toThrow(/some\/model\/config\.json:3:1: not valid JSON/);
    await writeText(folder, 'config.json', '[]');
    await expect(readModelFolder(folder)).rejects.toThrow(/not a JSON object/);
    folder.files.set('config.json', Uint8Array.of(0xff));
    await expect(readModelFolder(folder)).rejects.toThrow(/config\.json: not valid UTF-8/);
    await expect(folder.open('../secret')).rejects.toThrow(/outside its folder/);
  });
});

describe('damaged folders', () => {
  it('give nothing but explained errors', async () => {
    const base = await example();
    const names = [
      'config.json',
      'tokenizer_config.json',
      'special_tokens_map.json',
      'chat_template.jinja',
      INDEX_FILE,
    ];
    const json = fc.jsonValue({ maxDepth: 3 }).map((v) => JSON.stringify(v));
    const index = fc
      .dictionary(
        fc.constantFrom('w', 'b', 'x'),
        fc.oneof(fc.constantFrom('model.safetensors', '', '..', 'a/b'), fc.jsonValue()),
      )
      .map((weight_map) => JSON.stringify({ weight_map }));
    const text = fc.oneof(json, index, fc.string());
    const content = fc.oneof(
      text.map((t) => new TextEncoder().encode(t)),
      fc.uint8Array({ maxLength: 40 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), content, async (name, bytes) => {
        const folder = memoryFolder(
          new Map((base as ReturnType<typeof memoryFolder>).files).set(name, bytes),
        );
        try {
          const read = await readModelFolder(folder);
          await writeModelFolder(memoryFolder(), { from: read, config: { ...read.config, changed: 1 } });
          specialTokens(read.tokenizerConfig, read.specialTokensMap);
        } catch (e) {
          if (!isDecantError(e)) throw e;
        }
      }),
      { numRuns: 1000, seed: 7 },
    );
  });
});

describe('ONNX file names', () => {
  it('follow transformers.js', () => {
    expect(onnxPath('fp32')).toBe('onnx/model.onnx');
    expect(onnxPath('q8')).toBe('onnx/model_quantized.onnx');
    expect(externalDataPath(onnxPath('q4f16'), 1)).toBe('onnx/model_q4f16.onnx_data_1');
    expect(parseOnnxPath('onnx/decoder_model_merged_q4f16.onnx')).toEqual({
      part: 'decoder_model_merged',
      precision: 'q4f16',
    });
    expect(parseOnnxPath('onnx/model.onnx')).toEqual({ part: 'model', precision: 'fp32' });
    expect(parseOnnxPath('model.onnx')).toBeUndefined();
    expect(() => findOnnx(['onnx/model.onnx'], 'q4', 'm')).toThrow(
      /m\/onnx\/model_q4\.onnx: the folder lacks the ONNX file; seen: "onnx\/model\.onnx"/,
    );
  });
});
