/** What runs in a browser tab: graphs, engines, models, losses, optimizers, tokenizers, model folders. Nothing of Node. */
export { createChatTemplate } from './data/chat-template.ts';
export { createTokenizer, type Tokenizer } from './data/tokenizer/tokenizer.ts';
export { trainTokenizer } from './data/tokenizer/train.ts';
export { trimModelConfig, trimTokenizer } from './data/tokenizer/trim.ts';
export { type Compiled, compile, compileWith } from './engine/compile.ts';
export type { Engine, Executable } from './engine/engine.ts';
export { createReferenceEngine } from './engine/reference/engine.ts';
export { readModelFolder, writeModelFolder } from './export/folder.ts';
export * as diffusion from './generate/diffusion/index.ts';
export * from './generate/index.ts';
export * as graph from './graph/public.ts';
export * as losses from './losses/index.ts';
export * as optim from './optim/index.ts';
export { trainStep } from './optim/train-step.ts';
export { DecantError, isDecantError } from './util/errors.ts';
export { memoryFolder } from './util/folder.ts';
