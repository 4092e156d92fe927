import { z } from 'zod';
import { formats } from '../../data/sources/open.ts';
import { dataDefaults, defaultShare } from '../../data/spec.ts';
import { stepSchema } from './steps.ts';

const reference = z
  .string()
  .min(1)
  .describe(
    'a path (relative to the recipe), dataset:NAME, builtin:NAME or hub:OWNER/NAME; #SPLIT names one split',
  );

const split = z.strictObject({
  source: z
    .union([reference, z.array(reference).min(1)])
    .describe('where the rows come from; a list is read one after the other'),
  limit: z.int().positive().optional().describe('use at most this many rows, a seeded stratified sample'),
  unlabelled: z.boolean().optional().describe('read without labels or responses, as if nobody had given any'),
});
const splitInput = z.union([reference, split]);

const held = (what: 'validation' | 'test') =>
  z
    .union([z.number().nonnegative(), reference, split])
    .optional()
    .describe(
      `a source, or a share (below 1) or number of training rows to hold out; when absent the set's own ${what} split, else ${defaultShare[what]} of the rows`,
    );

const d = dataDefaults;

/** How lists of candidates are made of a collection (task rank). */
export const rankingSection = z
  .strictObject({
    lists: z
      .int()
      .positive()
      .default(8)
      .describe(
        'training rows per query: a relevant document with others; triples of the data are taken as they are',
      ),
    negatives: z.int().positive().default(1).describe('other documents in a row, beside the relevant one'),
    hard: z
      .number()
      .min(0)
      .max(1)
      .default(0.7)
      .describe(
        'share of the others that are taken from the first stage, the rest from the whole collection',
      ),
    depth: z
      .int()
      .min(10)
      .default(100)
      .describe('documents of the first stage (BM25) that are re-ranked and that hard negatives come from'),
    pseudo: z
      .int()
      .nonnegative()
      .default(0)
      .describe(
        'sentences of every document that become queries without judgements, for the teacher to label',
      ),
  })
  .describe('task rank: training rows, and how deep the first stage (BM25) looks');

/** The `data` section. */
export const dataSection = z
  .strictObject({
    train: splitInput.describe('rows the student learns from'),
    validation: held('validation'),
    test: held('test'),
    unlabeled: splitInput.optional().describe('inputs without answers, for the teacher to label'),
    teacher: splitInput.optional().describe('labelled rows that only the teacher is trained on'),
    rated: splitInput
      .optional()
      .describe('rows with prompt, response and good (true or false), for a critic to learn from'),
    steps: z
      .array(stepSchema)
      .default([])
      .describe('what is done to the training rows, in order, before a model sees them (docs/data-steps.md)'),
    columns: z
      .record(z.string(), z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]))
      .default({})
      .describe(
        'role of the task to a column, a list of columns (joined), or a template "{a}: {b}"; found by name when absent',
      ),
    keep: z.array(z.string()).default([]).describe('further columns to carry along, for slices and reports'),
    classes: z
      .array(z.string())
      .min(2)
      .optional()
      .describe('class names in index order; when absent those of the set, else those that occur'),
    format: z.enum(formats).optional().describe('format of the files, when the extension does not tell'),
    encoding: z
      .string()
      .optional()
      .describe('text encoding of the files, when it is not UTF-8 (a WHATWG label such as windows-1252)'),
    delimiter: z
      .string()
      .length(1)
      .optional()
      .describe('field separator of CSV files, when the first line does not tell'),
    names: z.array(z.string()).min(1).optional().describe('column names of a CSV file without a header line'),
    textUnit: z
      .enum(['lines', 'paragraphs', 'whole'])
      .optional()
      .describe('how a plain text file is cut into rows (lines when absent)'),
    image: z
      .strictObject({
        size: z
          .tuple([z.int().positive(), z.int().positive()])
          .optional()
          .describe('[height, width] every image is resized to'),
        channels: z
          .union([z.literal(1), z.literal(3)])
          .optional()
          .describe('1 for grey, 3 for RGB'),
      })
      .optional()
      .describe('one form for all images; when absent the first image sets it'),
    options: z.record(z.string(), z.unknown()).optional().describe('options of a generated set (builtin:)'),
    graph: z
      .strictObject({
        inductive: z
          .number()
          .gt(0)
          .max(1)
          .optional()
          .describe(
            'share of the test nodes that is hidden, with its edges, from all training; only hidden nodes are then measured',
          ),
        features: z
          .enum(['standardize', 'rows', 'none'])
          .optional()
          .describe(
            'scale of node features: each column to mean 0 and deviation 1, each row divided by its sum, or as they are (rows when all are 0 or 1, else standardize)',
          ),
      })
      .optional()
      .describe('how the graph of task node-classify is used'),
    acceptChanged: z
      .boolean()
      .default(d.acceptChanged)
      .describe('use a public set although its content differs from the published one'),
    normalize: z
      .strictObject({
        unicode: z.enum(['NFC', 'NFKC', 'none']).default(d.normalize.unicode).describe('Unicode normal form'),
        whitespace: z
          .enum(['collapse', 'trim', 'keep'])
          .optional()
          .describe(
            'runs of white space become one space, only the ends are cut, or nothing (collapse; trim for generate and prefer)',
          ),
        lowercase: z.boolean().default(d.normalize.lowercase).describe('lower-case all text'),
      })
      .prefault({})
      .describe('cleaning of text before anything else looks at it'),
    duplicates: z
      .strictObject({
        exact: z
          .enum(['remove', 'report'])
          .default(d.duplicates.exact)
          .describe('training rows equal to an earlier one in input and answer'),
        near: z
          .strictObject({
            action: z
              .enum(['remove', 'report', 'off'])
              .default(d.duplicates.near.action)
              .describe('training rows almost equal to an earlier one'),
            threshold: z
              .number()
              .min(0.5)
              .max(1)
              .default(d.duplicates.near.threshold)
              .describe('Jaccard similarity of character 5-grams from which texts are almost equal'),
          })
          .prefault({}),
        leaks: z
          .enum(['remove', 'report', 'off'])
          .default(d.duplicates.leaks)
          .describe('training rows that are, exactly or almost, also held-out rows'),
      })
      .prefault({})
      .describe('rows that repeat each other'),
    contradictions: z
      .enum(['remove', 'report'])
      .default(d.contradictions)
      .describe('training rows with the same input and different labels'),
    balance: z
      .enum(['none', 'oversample', 'undersample', 'weight'])
      .default(d.balance)
      .describe('how unequal class sizes are evened out in training'),
    streaming: z
      .strictObject({ buffer: z.int().min(2).default(10_000).describe('rows shuffled at a time') })
      .optional()
      .describe('read training rows from disk in every epoch, for files larger than memory'),
    ranking: rankingSection.optional(),
    seed: z
      .int()
      .default(d.seed)
      .describe('seed of splits, samples and balance; the same for every seed of the run'),
  })
  .describe('where rows come from and how they are cleaned and split');
