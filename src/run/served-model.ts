import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createChatTemplate } from '../data/chat-template.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import { readModelFolder } from '../export/folder.ts';
import { findOnnx } from '../export/onnx-files.ts';
import { type DecoderSession, type OrtModule, openDecoderSession } from '../generate/session.ts';
import { DecantError } from '../util/errors.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { type Embedder, openEmbedder } from './embed.ts';
import { openPredictor, type Predictor } from './predict.ts';
import { DOCUMENT_ENCODER } from './rank/export.ts';
import { embedderRanker, isRanker, openRanker, type Ranker } from './rank/open.ts';
import { folderTokenizer } from './text.ts';

/** A language model, opened for completions. */
export interface LanguageModel {
  readonly session: DecoderSession;
  readonly tokenizer: Tokenizer;
  readonly eos: readonly number[];
  /** Longest prompt and answer together, tokens. */
  readonly maxLength: number;
  /** Messages as a prompt; undefined where the model has no chat template. */
  readonly chat?: (messages: readonly { role: string; content: string }[]) => string;
  /** `chat` gives a bare prompt, to be encoded as texts are; templates bring their own special tokens. */
  readonly plainChat?: boolean;
}

/** A model folder, opened for serving. */
export interface ServedModel {
  readonly name: string;
  readonly kind: 'classifier' | 'language' | 'embedder' | 'ranker';
  readonly predictor?: Predictor;
  readonly language?: LanguageModel;
  readonly embedder?: Embedder;
  /** Rankers, and sentence encoders, which rank by the product of their vectors. */
  readonly ranker?: Ranker;
  close(): Promise<void>;
}

/** Opens a folder for serving: a decoder with a cache, a sentence encoder, a ranker, else a classifier. Errors: `model`, also for models that answer no texts. */
export async function openServedModel(
  path: string,
  options: {
    dtype?: 'fp32' | 'q8' | 'q4';
    name?: string;
    /** A language model without a chat template takes the last user message as its prompt. */
    plainChat?: boolean;
  } = {},
): Promise<ServedModel> {
  const folder = await readModelFolder(diskFolder(path), ['config']);
  const name = options.name ?? basename(path);
  const architecture = (folder.config?.architectures as string[] | undefined)?.[0] ?? '';
  if (folder.config?.diffusion)
    throw new DecantError(
      'model',
      'the folder holds a sampler, which makes rows out of noise and reads none',
      {
        at: path,
        seen: architecture,
        fix: 'run its onnx/model.onnx: input noise, output sample; its figures are in the report of the run',
      },
    );
  const language = /CausalLM|LMHeadModel/.test(architecture);
  const { dtype } = options;
  if (dtype === 'q4' && !language)
    throw new DecantError('usage', 'only language models have a 4-bit file', {
      at: '--dtype',
      seen: dtype,
      allowed: 'fp32, q8',
    });
  const wide = dtype === 'q4' ? undefined : dtype;
  if (architecture === 'SentenceEncoder') {
    const embedder = await openEmbedder(path, { dtype: wide });
    const documents = existsSync(join(path, DOCUMENT_ENCODER))
      ? await openEmbedder(join(path, DOCUMENT_ENCODER), { dtype: wide })
      : embedder;
    const ranker = embedderRanker(embedder, documents);
    return { name, kind: 'embedder', embedder, ranker, close: () => ranker.close() };
  }
  if (isRanker(folder.config!)) {
    const ranker = await openRanker(path, { dtype: wide });
    return { name, kind: 'ranker', ranker, close: () => ranker.close() };
  }
  if (!language) {
    const predictor = await openPredictor(path, { dtype: wide });
    return { name, kind: 'classifier', predictor, close: () => predictor.close() };
  }
  const tokenizer = folderTokenizer(folder, path);
  const ort = (await import('onnxruntime-node')) as unknown as OrtModule;
  const maxLength = Number(folder.config?.max_position_embeddings ?? folder.config?.n_positions ?? 1024);
  const file = findOnnx(folder.files, options.dtype ?? 'fp32', path);
  const session = await openDecoderSession(ort, await readFile(join(path, file)), {
    contextLength: maxLength,
  });
  const declared =
    folder.generationConfig?.eos_token_id ?? folder.config?.eos_token_id ?? tokenizer.special.eos;
  const eos = (Array.isArray(declared) ? declared : [declared]).filter(
    (x): x is number => typeof x === 'number',
  );
  const template = folder.chatTemplates.default;
  const rendered =
    template === undefined ? undefined : createChatTemplate(template, folder.tokenizerConfig ?? {});
  return {
    name,
    kind: 'language',
    language: {
      session,
      tokenizer,
      eos,
      maxLength,
      ...(rendered
        ? { chat: (messages) => rendered.render(messages as never, { generationPrompt: true }) }
        : options.plainChat
          ? { chat: lastAsked, plainChat: true }
          : {}),
    },
    close: () => session.close(),
  };
}

/** A prompt as students read it that were trained on prompts alone. */
const lastAsked: NonNullable<LanguageModel['chat']> = (messages) =>
  messages.findLast((m) => m.role === 'user')?.content ?? '';
