import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createTokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { createNodeEngine } from '../engine/node/engine.ts';
import type { DecoderFormat } from '../export/decoder.ts';
import { type ModelFolder, readModelFolder } from '../export/folder.ts';
import { type ExportedFile, type ExportFormat, exportStudent } from '../export/student.ts';
import { isDecoder, labelNamesOf, modelFromConfig } from '../nn/auto.ts';
import { createInference } from '../nn/inference.ts';
import { type Encoded, encodeFeatures, encodeImages, encodeTexts } from '../train/encoded.ts';
import { inferAll } from '../train/infer.ts';
import { tokenRows } from '../train/language.ts';
import { withoutReference } from '../train/policy.ts';
import { goodResponse } from '../train/preference.ts';
import { DecantError } from '../util/errors.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import { type LoraSettings, plainParams } from './adapt.ts';
import { publishedParams } from './arm.ts';
import { fileCheckpoints } from './checkpoints.ts';
import { runFolder } from './folder.ts';
import { writeCheckedDecoder } from './generate-export.ts';
import { checkParity, type ParityResult } from './parity.ts';
import { readScales } from './predict.ts';
import { type BuiltRanker, rankerFromConfig, rankerOf } from './rank/build.ts';
import { DOCUMENT_ENCODER, type ExportSample, exportRanker } from './rank/export.ts';
import { lengthsOf } from './rank/open.ts';

export interface ExportAgainOptions {
  /** Which seed's student; default: the first of the run, the one that the run exported. */
  seed?: number;
  /** distilled (default), or alone: the same student without a teacher. */
  arm?: 'distilled' | 'alone';
  formats: readonly DecoderFormat[];
  /** Which checkpoint; default what the recipe keeps. */
  keep: 'last' | 'best';
  /** Adapters that the student was trained with. */
  lora?: LoraSettings;
  tolerance: number;
  /** Folder to write; it must be new or empty. */
  out: string;
  /** Rows on which the files are compared with the student. */
  sample: readonly Example[];
}

/** Exports a student of a finished run again from its checkpoint: another seed, other formats. The files are checked as in the run. */
export async function exportAgain(
  run: string,
  options: ExportAgainOptions,
): Promise<{ files: ExportedFile[]; parity: ParityResult[]; seed: number }> {
  const paths = runFolder(run);
  if (!existsSync(join(paths.model, 'config.json')))
    throw new DecantError('usage', 'this is no finished run of a student', {
      at: run,
      fix: 'give the folder that "decant run" printed, after the run has ended',
    });
  const arm = options.arm ?? 'distilled';
  const trained = seedsOf(join(run, 'checkpoints'), arm);
  const seed = options.seed ?? firstSeed(paths.reportData, arm) ?? trained[0];
  const store = fileCheckpoints(paths.checkpoints(arm, seed));
  const checkpoint = (options.keep === 'best' && (await store.load('best'))) || (await store.load('last'));
  if (!checkpoint)
    throw new DecantError('usage', 'the run has no checkpoint of this student', {
      at: paths.checkpoints(arm, seed),
      seen: `${arm}, seed ${seed}`,
      allowed: trained.map((s) => `seed ${s}`).join(', ') || 'no seed',
    });
  if (existsSync(options.out) && readdirSync(options.out).length > 0)
    throw new DecantError('usage', 'the output folder is not empty', { at: options.out });

  if (JSON.parse(readFileSync(join(paths.model, 'config.json'), 'utf8')).diffusion)
    throw new DecantError('usage', 'a sampler is exported by its run alone', {
      at: run,
      fix: 'set export.formats in the recipe, or seeds to the one that is wanted, and run it into a new folder',
    });
  const folder = await readModelFolder(diskFolder(paths.model), ['config']);
  const ranker = rankerOfFolder(folder, paths.model);
  const model = ranker?.model ?? modelFromConfig(folder.config!);
  const params = plainParams(model, options.lora, withoutReference(publishedParams(checkpoint.arrays)));
  if (isDecoder(model)) {
    const tokenizer = createTokenizer(folder.tokenizer!, folder.tokenizerConfig);
    const maxLength = Number(folder.tokenizerConfig?.model_max_length ?? model.maxLength);
    const sample = options.sample.map((e) => ({ ...e, response: e.response ?? goodResponse(e) }));
    const rows = tokenRows(sample, { tokenizer, maxLength });
    const engine = createNodeEngine();
    try {
      const done = await writeCheckedDecoder(
        engine,
        options.out,
        { model, params, tokenizer, maxLength },
        rows,
        options,
      );
      return { ...done, seed };
    } finally {
      await engine.close();
    }
  }
  const formats = options.formats.filter((f): f is ExportFormat => f !== 'int4');
  if (formats.length < options.formats.length)
    throw new DecantError('usage', '4-bit files are for language models', {
      at: '--format',
      seen: 'int4',
      allowed: 'fp32, int8',
    });
  if (ranker) {
    const engine = createNodeEngine();
    try {
      const target = { engine, folder: options.out, formats, tolerance: options.tolerance };
      return { ...(await exportRanker(target, ranker, params, sampleOf(options.sample))), seed };
    } finally {
      await engine.close();
    }
  }
  const labels = labelNamesOf(folder.config!);
  const preprocessor = join(paths.model, 'preprocessor_config.json');
  const scales = existsSync(preprocessor) ? await readScales(preprocessor) : {};
  const tokenizer = folder.tokenizer && createTokenizer(folder.tokenizer, folder.tokenizerConfig);
  const maxLength = Number(folder.tokenizerConfig?.model_max_length ?? 512);
  const sample: Encoded = tokenizer
    ? encodeTexts(options.sample, { tokenizer, maxLength })
    : scales.pixels && options.sample[0]?.image
      ? encodeImages(options.sample, scales.pixels)
      : encodeFeatures(options.sample, scales.features!);

  const draft = `${options.out}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const files = await exportStudent(diskFolder(draft), {
    model,
    params,
    formats,
    labels,
    tokenizer: folder.tokenizer,
    tokenizerConfig: folder.tokenizerConfig,
    ...(existsSync(preprocessor)
      ? { preprocessorConfig: JSON.parse(readFileSync(preprocessor, 'utf8')) }
      : {}),
  });
  const engine = createNodeEngine();
  try {
    const inference = createInference(engine, model);
    await inference.setParams(params);
    const logits = await inferAll(inference, sample, Object.keys(model.inputs));
    await inference.dispose();
    const own = { data: logits.data as Float32Array, rows: sample.size, width: logits.shape[1] };
    const parity = await checkParity(draft, model, sample, own, { ...options, formats });
    rmSync(options.out, { recursive: true, force: true });
    renameSync(draft, options.out);
    return { files, parity, seed };
  } finally {
    await engine.close();
    rmSync(draft, { recursive: true, force: true });
  }
}

/** A ranker or sentence encoder of a run's folder, undefined for other students. */
function rankerOfFolder(folder: ModelFolder, path: string): BuiltRanker | undefined {
  const { config, tokenizer, tokenizerConfig } = folder;
  const shared = !existsSync(join(path, DOCUMENT_ENCODER));
  const model = tokenizer && rankerFromConfig({ ...config, ...(shared ? {} : { shared }) });
  return model && rankerOf(model, createTokenizer(tokenizer, tokenizerConfig), lengthsOf(folder));
}

/** Queries and documents to compare on: rows of a ranker hold both, those of an encoder texts or pairs. */
function sampleOf(rows: readonly Example[]): ExportSample {
  const texts = rows.flatMap((e) => (e.text === undefined ? [] : [e.text]));
  const documents = rows.flatMap((e) => (e.pair === undefined ? [] : [e.pair]));
  const read = documents.length > 0 ? documents : texts;
  return {
    queries: texts.map((text) => ({ text })),
    documents: read,
    candidates: texts.map((_, i) => Int32Array.of(i % read.length)),
  };
}

const seedsOf = (checkpoints: string, arm: string): number[] =>
  !existsSync(checkpoints)
    ? []
    : readdirSync(checkpoints)
        .filter((name) => name.startsWith(`${arm}-`))
        .map((name) => Number(name.slice(arm.length + 1)))
        .sort((a, b) => a - b);

function firstSeed(report: string, arm: string): number | undefined {
  if (!existsSync(report)) return undefined;
  const { arms } = JSON.parse(readFileSync(report, 'utf8')) as { arms: { id: string; seeds: number[] }[] };
  return arms.find((a) => a.id === arm)?.seeds[0];
}
