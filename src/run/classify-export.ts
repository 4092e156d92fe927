import { mkdirSync, renameSync, rmSync } from 'node:fs';
import type { Example } from '../data/types.ts';
import { type ExportedFile, exportStudent, type StudentExport } from '../export/student.ts';
import { diskFolder } from '../util/node/disk-folder.ts';
import type { BuiltModel } from './build.ts';
import type { TrainedStudent } from './classify.ts';
import type { RunContext } from './context.ts';
import { checkParity, PARITY_ROWS, type ParityResult } from './parity.ts';

/** Writes the first seed's student (the seed rule is fixed before the run: never the best one) and checks the files. */
export async function exportBest(
  ctx: RunContext,
  built: BuiltModel,
  student: TrainedStudent,
  classes: readonly string[],
  test: readonly Example[],
): Promise<{ files: ExportedFile[]; parity: ParityResult[] }> {
  const draft = `${ctx.folder.model}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const files = await exportStudent(diskFolder(draft), {
    model: built.model,
    params: student.params,
    formats: ctx.recipe.export.formats,
    labels: classes,
    ...inputFiles(built),
  });
  const sample = built.encode(test.slice(0, PARITY_ROWS));
  const own = {
    data: (student.logits.data as Float32Array).slice(0, sample.size * classes.length),
    rows: sample.size,
    width: classes.length,
  };
  const parity = await checkParity(draft, built.model, sample, own, ctx.recipe.export);
  // the folder appears under its name only when its files give the student's own outputs
  rmSync(ctx.folder.model, { recursive: true, force: true });
  renameSync(draft, ctx.folder.model);
  return { files, parity };
}

/** What turns raw inputs into the model's, as files of the folder. */
const inputFiles = (
  built: BuiltModel,
): Pick<StudentExport, 'tokenizer' | 'tokenizerConfig' | 'preprocessorConfig'> => ({
  tokenizer: built.tokenizer?.files.tokenizer,
  tokenizerConfig: built.tokenizer && {
    ...built.tokenizer.files.tokenizerConfig,
    model_max_length: built.maxLength!,
  },
  ...(built.scale
    ? {
        preprocessorConfig: {
          image_mean: [...built.scale.mean],
          image_std: [...built.scale.std],
          do_normalize: true,
          do_rescale: true,
          rescale_factor: 1 / 255,
        },
      }
    : {}),
  ...(built.featureScale
    ? {
        preprocessorConfig: {
          feature_mean: [...built.featureScale.mean],
          feature_std: [...built.featureScale.std],
          ...(built.featureNames ? { feature_names: [...built.featureNames] } : {}),
        },
      }
    : {}),
});
