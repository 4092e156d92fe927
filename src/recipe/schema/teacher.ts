import { z } from 'zod';
import { modelFields, oneOrigin, oneOriginMessage } from './model.ts';
import { trainFields } from './train.ts';

const store = z
  .strictObject({
    format: z
      .enum(['auto', 'dense', 'topk', 'packed'])
      .default('auto')
      .describe('how signals are written: whole, the k largest and the rest, or packed to fewer bits'),
    k: z.int().positive().default(32).describe('entries kept per position by topk and packed'),
    dtype: z.enum(['float32', 'float16']).default('float32').describe('number format of dense signals'),
  })
  .prefault({})
  .describe('how the signals of the teacher are kept on disk');

const batchSize = z.int().positive().default(64).describe('examples the teacher sees at a time');

const trained = z
  .strictObject({
    kind: z.literal('trained').describe('trained in place, on data.teacher when given, else on data.train'),
    ...modelFields,
    train: trainFields.prefault({}).describe('how the teacher is trained'),
    ensemble: z
      .int()
      .positive()
      .default(1)
      .describe('teachers trained from different seeds, whose probabilities are averaged'),
    firstStage: z
      .boolean()
      .default(false)
      .describe(
        "task rank: the teacher's score is its own plus that of the first stage (BM25) times a learnt weight",
      ),
    batchSize,
    store,
  })
  .refine(oneOrigin, { message: oneOriginMessage });

const local = {
  classes: z
    .array(z.string())
    .min(2)
    .optional()
    .describe('class names in the order of the outputs, when the model does not say'),
  maxLength: modelFields.maxLength,
  batchSize,
  store,
};

const folder = z
  .strictObject({
    kind: z.literal('folder'),
    path: z.string().min(1).describe('model folder in the Hugging Face layout'),
    ...local,
  })
  .describe('a local model folder');

const onnx = z
  .strictObject({
    kind: z.literal('onnx'),
    path: z.string().min(1).describe('an .onnx file; its outputs must be named logits, or be the only ones'),
    ...local,
  })
  .describe('a local ONNX file');

const hub = z
  .strictObject({
    kind: z.literal('hub'),
    model: z.string().min(1).describe('OWNER/NAME on the hub'),
    revision: z.string().optional().describe('branch, tag or commit'),
    ...local,
  })
  .describe('a model of the hub');

const api = z
  .strictObject({
    kind: z.literal('api').describe('behind an HTTP interface'),
    provider: z.string().default('openai-compatible').describe('which dialect the endpoint speaks'),
    baseURL: z.url().optional().describe('address of the endpoint'),
    model: z.string().min(1).describe('name of the model at the provider'),
    keyEnv: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
      .optional()
      .describe('environment variable that holds the key; keys never stand in a recipe'),
    signals: z
      .array(z.enum(['text', 'topk', 'score']))
      .min(1)
      .optional()
      .describe('signals to use; what the endpoint offers when absent'),
    topLogprobs: z.int().min(1).max(100).optional().describe('log-probabilities asked for per token'),
    prompt: z.string().optional().describe('instruction to the teacher; {text} is replaced by the input'),
    schema: z
      .union([z.string().min(1), z.record(z.string(), z.unknown())])
      .optional()
      .describe('JSON schema of everything that it writes, as a file or inline: for students that extract'),
    temperature: z.number().min(0).default(0).describe('sampling temperature'),
    maxTokens: z.int().positive().optional().describe('longest answer'),
    concurrency: z.int().positive().default(8).describe('requests in flight at most'),
    timeout: z.number().positive().default(120).describe('seconds before a request counts as lost'),
    retries: z.int().nonnegative().default(6).describe('further attempts after a failed request'),
    budget: z
      .strictObject({
        money: z.number().positive().optional().describe('in the currency of the price table'),
        tokens: z.int().positive().optional().describe('tokens in and out together'),
      })
      .optional()
      .describe('the run stops asking before it spends more'),
    prices: z.string().optional().describe('price table, a YAML or JSON file'),
    transport: z
      .enum(['requests', 'batch'])
      .default('requests')
      .describe('requests answered at once, or the batch endpoint of the provider: cheaper, within a day'),
    store,
  })
  .describe('a model behind an HTTP interface');

const custom = z
  .strictObject({
    kind: z.literal('custom').describe('given by the program that calls run(), see defineTeacher'),
    batchSize,
    store,
  })
  .describe('a teacher of your own, through the library');

const shared = {
  for: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('values of the column teacher.by whose rows this one answers; the others when absent'),
  weight: z.number().positive().default(1).describe('share in the average of those that answer a row'),
};

const several = z
  .strictObject({
    kind: z.literal('several').describe('several teachers: each row is answered by those it is meant for'),
    members: z
      .array(z.discriminatedUnion('kind', [folder.extend(shared), onnx.extend(shared), api.extend(shared)]))
      .min(2)
      .describe('the teachers; the probabilities of those that answer a row are averaged'),
    by: z
      .string()
      .optional()
      .describe(
        'column that says which of them answer a row (list it in data.keep); all of them when absent',
      ),
    batchSize,
    store,
  })
  .describe('several teachers, by domain or as an ensemble');

/** The `teacher` section. */
export const teacherSection = z
  .discriminatedUnion('kind', [trained, folder, onnx, hub, api, several, custom])
  .describe(
    'the big model: trained in place, a local folder or ONNX file, a hub model, behind an API, or several of these',
  );
