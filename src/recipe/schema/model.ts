import { z } from 'zod';

/** Splits text into tokens: trained on the training rows, or taken from a model folder. */
export const tokenizerSection = z
  .strictObject({
    kind: z
      .enum(['wordpiece', 'bpe', 'whitespace', 'char'])
      .default('wordpiece')
      .describe('algorithm to train'),
    vocabSize: z.int().min(16).default(4096).describe('largest number of tokens, special ones included'),
    minFrequency: z.int().positive().default(2).describe('tokens seen less often are left out'),
    lowercase: z.boolean().default(true).describe('lower-case text before it is split'),
    from: z
      .string()
      .optional()
      .describe('folder, tokenizer.json or hub:OWNER/NAME to take it from instead of training'),
  })
  .describe('the tokenizer of a text model; when absent one is trained with these defaults');

const shared = {
  tokenizer: tokenizerSection.optional(),
  maxLength: z
    .int()
    .min(2)
    .optional()
    .describe(
      'longest input in tokens; longer ones are cut (when absent: the 99th percentile of the data, at most what the model takes)',
    ),
};

/** A model to be made from scratch, or one whose weights exist. */
export const modelFields = {
  architecture: z
    .string()
    .optional()
    .describe('architecture to make from scratch, for example bert, bag, cnn, mlp, gpt2, llama'),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('sizes and other options of the architecture'),
  from: z.string().optional().describe('folder, .onnx file or hub:OWNER/NAME to take weights from'),
  ...shared,
};

export const oneOrigin = (model: { architecture?: string; from?: string }): boolean =>
  (model.architecture === undefined) !== (model.from === undefined);
export const oneOriginMessage = 'needs either architecture (made from scratch) or from (existing weights)';

/** The `student` section. */
export const studentSection = z
  .strictObject({
    ...modelFields,
    layers: z
      .union([
        z.strictObject({ every: z.int().positive().describe('k of every k-th layer, from the first on') }),
        z.array(z.int().nonnegative()).min(1),
      ])
      .optional()
      .describe('with from: take these layers of that model, {every: 2} or numbers from 0 such as [0, 2, 5]'),
    trimVocabulary: z
      .boolean()
      .optional()
      .describe('with from: keep only the tokens that the training rows use'),
    lora: z
      .strictObject({
        rank: z.int().positive().default(8).describe('inner width of the update'),
        alpha: z.number().positive().default(16).describe('the update is scaled by alpha / rank'),
        targets: z
          .union([z.literal('all'), z.array(z.string()).min(1)])
          .optional()
          .describe(
            'linear layers that get an update: paths or their last parts (q_proj), or all; the attention projections when absent',
          ),
      })
      .optional()
      .describe(
        'train low-rank updates of frozen weights, merged at export; what stands above the body, such as the head of a classifier, is trained as a whole',
      ),
  })
  .refine(oneOrigin, { message: oneOriginMessage })
  .refine((s) => s.from !== undefined || (s.layers === undefined && !s.trimVocabulary), {
    message: 'layers and trimVocabulary choose from an existing model: they need from',
  })
  .describe('the small model');
