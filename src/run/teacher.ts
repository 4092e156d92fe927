import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { supervised } from '../methods/logits/kd.ts';
import { createInference } from '../nn/inference.ts';
import { outputLayer, outputPath } from '../nn/output-layer.ts';
import { countParams } from '../nn/params.ts';
import { hiddenReader, inParts } from '../teachers/hidden.ts';
import type { Teacher } from '../teachers/teacher.ts';
import { inferAll } from '../train/infer.ts';
import type { TrainSettings } from '../train/job.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash, sha256 } from '../util/node/hash.ts';
import { trainArm } from './arm.ts';
import { type BuiltModel, buildClassifier, type ModelSettings } from './build.ts';
import type { RunContext } from './context.ts';
import { openStreamedRows } from './streamed-rows.ts';

interface TrainedTeacherSettings extends ModelSettings {
  kind: 'trained';
  train: TrainSettings;
  ensemble: number;
  batchSize: number;
}

/** Content hash of parameters: names, shapes and bits. */
export function paramsHash(params: Readonly<Record<string, NDArray>>): string {
  const parts = Object.entries(params).map(([n, a]) => [
    n,
    a.shape.join('x'),
    sha256(new Uint8Array(a.data.buffer, a.data.byteOffset, a.data.byteLength)),
  ]);
  return contentHash(parts);
}

/** Trains the teacher (or an ensemble of them, whose probabilities are averaged) on the labelled rows. */
export async function trainTeacher(
  ctx: RunContext,
  classes: readonly string[],
): Promise<Teacher & { built: BuiltModel; seconds: number }> {
  const settings = ctx.recipe.teacher as unknown as TrainedTeacherSettings;
  const set = ctx.data.splits.teacher ?? ctx.data.splits.train;
  const streamed = set.items ? undefined : await openStreamedRows(ctx, [set]);
  const rows = streamed?.sample ?? set.items!;
  const labelled = rows.filter((e) => (e.label ?? -1) >= 0);
  if (labelled.length === 0)
    throw new DecantError('data', 'the teacher has no labelled rows to learn from', {
      at: 'data.teacher',
      fix: 'give labelled rows, or a teacher that is trained already',
    });
  const built = await buildClassifier(settings, {
    task: ctx.recipe.task,
    classes,
    examples: labelled,
    baseDir: ctx.baseDir,
    at: 'teacher',
  });
  const learned = streamed
    ? { source: streamed.source(built, settings.train.buckets, 'labels') }
    : { rows: built.encode(labelled, settings.train.buckets) };
  const validation = ctx.data.splits.validation?.items?.filter((e) => (e.label ?? -1) >= 0);
  const members: Readonly<Record<string, NDArray>>[] = [];
  let seconds = 0;
  for (let i = 0; i < settings.ensemble; i++) {
    const trained = await trainArm(ctx, {
      name: settings.ensemble > 1 ? `teacher-${i + 1}` : 'teacher',
      title: settings.ensemble > 1 ? `teacher ${i + 1}/${settings.ensemble}` : 'teacher',
      seed: 1000 + i,
      model: built.model,
      start: built.start,
      method: supervised,
      config: supervised.config.parse({}),
      settings: settings.train,
      ...learned,
      validation: validation?.length ? built.encode(validation) : undefined,
      depends: ctx.data.report.splits.train?.source,
    });
    members.push(trained.params);
    seconds += trained.seconds;
  }
  const inferences = await Promise.all(
    members.map(async (params) => {
      const inference = createInference(ctx.engine, built.model);
      await inference.setParams(params);
      return inference;
    }),
  );
  const inputs = Object.keys(built.model.inputs);
  // the members of an ensemble have an embedding each, and none together
  const [only] = members.length === 1 && outputPath(built.model) !== undefined ? members : [];
  const activations = only && hiddenReader(ctx.engine, built.model, only);
  const known = (given: Record<string, NDArray>): Record<string, NDArray> =>
    Object.fromEntries(Object.entries(given).filter(([name]) => inputs.includes(name)));
  return {
    name: `${settings.architecture ?? settings.from}, trained in place`,
    id: `trained:${contentHash([...members.map(paramsHash), built.tokenizer ? contentHash(built.tokenizer.files) : '', built.maxLength ?? 0])}`,
    signals: ['logits', 'topk', ...(activations ? (['hidden'] as const) : [])],
    parameters: countParams(built.model.params) * settings.ensemble,
    classes,
    built,
    seconds,
    async logits(examples: readonly Example[]) {
      const rows = built.encode(examples);
      const all: NDArray[] = [];
      for (const inference of inferences)
        all.push(await inferAll(inference, rows, inputs, { batchSize: settings.batchSize }));
      return all.length === 1 ? all[0] : meanProbabilities(all);
    },
    ...(activations && {
      hidden(examples: readonly Example[], paths: readonly string[]) {
        const rows = built.encode(examples);
        const all = examples.map((_, i) => i);
        return inParts(all, settings.batchSize, (part) => activations.read(known(rows.inputs(part)), paths));
      },
      outputLayer: async () => outputLayer(built.model, only),
    }),
    close: async () => {
      await activations?.dispose();
      for (const inference of inferences) await inference.dispose();
    },
  };
}

/** Log of the mean of the members' probabilities: `[rows, classes]`. */
export function meanProbabilities(members: readonly NDArray[]): NDArray {
  const [rows, classes] = members[0].shape;
  const out = new Float32Array(rows * classes);
  for (let r = 0; r < rows; r++) {
    const total = new Float64Array(classes);
    for (const m of members) {
      const logits = (m.data as Float32Array).subarray(r * classes, (r + 1) * classes);
      const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const weights = Float64Array.from(logits, (x) => Math.exp(x - top));
      const sum = weights.reduce((a, b) => a + b, 0);
      for (let c = 0; c < classes; c++) total[c] += weights[c] / sum / members.length;
    }
    for (let c = 0; c < classes; c++) out[r * classes + c] = Math.log(Math.max(total[c], 1e-30));
  }
  return ndarray(out, [rows, classes]);
}
