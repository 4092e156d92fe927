import { measureLatency } from '../../evaluate/latency.ts';
import type { ReportArm } from '../../evaluate/report/data.ts';
import type { NDArray } from '../../graph/index.ts';
import { denoising } from '../../methods/generative/denoising.ts';
import type { Method } from '../../methods/method.ts';
import type { AnyModel } from '../../nn/model.ts';
import { countParams } from '../../nn/params.ts';
import { type TrainSettings, updatesFor } from '../../train/job.ts';
import { DecantError } from '../../util/errors.ts';
import { type Students, studentFacts, trainStudents } from '../arms.ts';
import type { RunContext, RunOutcome } from '../context.ts';
import { addFileSizes, reportOf, seedWarnings, unlabelledFacts } from '../report-parts.ts';
import { paramsHash } from '../teacher.ts';
import { drawModel, drawSamples, normalNoise, openDraw, openSampler } from './draw.ts';
import { exportSampler } from './export.ts';
import { emptySource, sampleSource, type Trained, takeRows, takesOver } from './fit.ts';
import { sampleMetrics } from './metrics.ts';
import { buildBackbone, sectionOf, settingOf, takesRows } from './models.ts';
import { type DrawnArm, measuredArm, sampleHeadline, samplePanels, sampleWarnings } from './report.ts';
import { sampleForm } from './samples.ts';
import { trainGenerative, tryLoss } from './train.ts';

interface TrainedTeacher {
  kind: string;
  architecture?: string;
  options: Record<string, unknown>;
  train: TrainSettings;
  ensemble: number;
}

const first = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** A diffusion teacher trained in place, students that draw in few steps, figures, and the student's sampler as a folder. */
export async function runDiffusion(ctx: RunContext, method: Method, config: unknown): Promise<RunOutcome> {
  const { recipe, data } = ctx;
  const began = performance.now();
  const section = sectionOf(recipe);
  const teacherSettings = teacherOf(ctx);
  const train = data.splits.train.items!;
  const test = data.splits.test?.items ?? [];
  if (test.length === 0)
    throw new DecantError('data', 'there are no test rows to compare samples with', {
      at: 'data.test',
      fix: 'give a test source, or a share of the training rows',
    });
  const form = sampleForm(train, takesRows(recipe.student) || takesRows(teacherSettings));
  const setting = settingOf(section, form);
  const [teacherModel, model] = [
    buildBackbone(teacherSettings, form, 'teacher'),
    buildBackbone(recipe.student, form, 'student'),
  ];
  if (recipe.student.lora && !takesOver(method, config, model, teacherModel))
    throw new DecantError('recipe', 'adapters need weights to start from, and this student has none', {
      at: 'student.lora',
      seen: `method ${method.slug}, ${String(recipe.student.architecture)}`,
      fix: "give the student the teacher's architecture and options, with a method that starts from the teacher's weights",
    });
  const rows = form.encode(train);
  const validationRows = data.splits.validation?.items ?? [];
  const validation = validationRows.length > 0 ? form.encode(validationRows) : undefined;
  const source = data.report.splits.train?.source;

  const teacherRows = data.splits.teacher?.items ? form.encode(data.splits.teacher.items) : rows;
  const some = takeRows(rows, [0]);
  const tried = method.calls!.data === 'rows' ? sampleSource(some) : emptySource(1);
  await tryLoss({ model, method, config, setting, source: tried }, teacherModel);
  const diffusion = denoising.config.parse({ steps: section.steps });
  const teacher = await trainGenerative(ctx, {
    name: 'teacher',
    title: 'teacher',
    seed: 1000,
    model: teacherModel,
    method: denoising,
    config: diffusion,
    setting,
    settings: teacherSettings.train,
    source: sampleSource(teacherRows),
    updates: updatesFor(teacherSettings.train, teacherRows.shape[0]),
    validation,
    depends: source,
  });

  const settings = recipe.train as unknown as TrainSettings;
  const students = await trainSamplers(ctx, {
    model,
    teacher,
    method,
    config,
    setting,
    settings,
    rows,
    validation,
    depends: [paramsHash(teacher.params), source],
  });

  const count = Math.min(section.samples, test.length);
  const real = takeRows(form.encode(test), first(count));
  const noise = normalNoise(count, setting.shape, 'measure');
  const task = ctx.progress.task('samples', section.few.length + 2 + 2 * recipe.seeds.length, 'sets');
  let done = 0;
  const drew = <T>(x: T): T => {
    task.update({ done: ++done });
    return x;
  };
  const sampler = await openSampler(ctx.engine, teacherModel, teacher.params, setting);
  const teacherSamples = drew(await sampler.draw(noise, { steps: section.steps }));
  const size = countParams(teacherModel.params);
  const taught = { parameters: size, seeds: ['-'], about: String(teacherSettings.architecture) };
  const arms: DrawnArm[] = [
    {
      ...taught,
      id: 'teacher',
      role: 'teacher',
      name: `Teacher, ${section.steps} steps`,
      samples: [teacherSamples],
      evaluations: section.steps,
      trainSeconds: teacher.seconds,
    },
  ];
  const student = async (role: 'distilled' | 'alone', list: typeof students.distilled): Promise<void> => {
    const [m, c]: [Method, unknown] =
      role === 'distilled' ? [method, config] : [denoising, students.aloneConfig];
    const drawn = drawModel(m, c, model, setting);
    const samples: NDArray[] = [];
    for (const s of list) samples.push(drew(await drawSamples(ctx.engine, drawn, s.params, noise)));
    arms.push({
      ...studentFacts(ctx, role, list, model),
      samples,
      evaluations: m.calls!.evaluations(c),
    });
  };
  await student('distilled', students.distilled);
  if (students.alone.length > 0) await student('alone', students.alone);
  for (const steps of section.few)
    arms.push({
      ...taught,
      id: `teacher-${steps}`,
      role: 'other',
      name: `Teacher, ${steps} step${steps === 1 ? '' : 's'}`,
      samples: [drew(await sampler.draw(noise, { steps }))],
      evaluations: steps,
    });
  const spare = Math.min(count, rows.shape[0]);
  const floor: DrawnArm = {
    id: 'data',
    role: 'other',
    name: 'Training rows themselves',
    about: 'other rows of the data: nothing can be expected to come nearer',
    seeds: ['-'],
    samples: [takeRows(rows, first(spare))],
  };
  task.finish();

  const exported = await exportSampler(
    ctx,
    {
      drawn: drawModel(method, config, model, setting),
      params: students.distilled[0].params,
      form,
      setting,
    },
    { method: method.slug, evaluations: method.calls!.evaluations(config) },
    noise,
  );
  const measured = [...arms, floor].map((a) => measuredArm(a, real, teacherSamples));
  await addLatency(ctx, measured, {
    sampler,
    steps: section.steps,
    student: { model: drawModel(method, config, model, setting), params: students.distilled[0].params },
    noise,
  });
  await sampler.dispose();
  addFileSizes(measured, exported.files, ['distilled']);
  ctx.journal.event('data-read', { method: method.slug, rows: students.rowsRead });
  const features = data.report.columns?.features?.split(', ') ?? [];
  const report = await reportOf(ctx, method, began, {
    metric: 'distance',
    metrics: [...sampleMetrics],
    headline: sampleHeadline(measured, {
      steps: section.steps,
      rowsRead: students.rowsRead,
      floor: measured.at(-1),
    }),
    arms: measured,
    samples: samplePanels([{ name: 'Test rows', samples: [real] }, ...arms], form, features),
    data: unlabelledFacts(data),
    warnings: [...seedWarnings(recipe), ...sampleWarnings(measured)],
  });
  return { report, model: { folder: ctx.folder.model, ...exported }, askedOfTeacher: 0 };
}

/** The recipe's teacher. Errors: `recipe` for any other than one that is trained in place. */
function teacherOf(ctx: RunContext): TrainedTeacher {
  const teacher = ctx.recipe.teacher as unknown as TrainedTeacher | undefined;
  if (ctx.teacher || teacher?.kind !== 'trained' || teacher.ensemble > 1)
    throw new DecantError('recipe', 'a diffusion teacher is one network that is trained in place', {
      at: teacher?.kind === 'trained' ? 'teacher.ensemble' : 'teacher',
      seen: ctx.teacher
        ? 'a teacher of the program'
        : teacher?.kind === 'trained'
          ? teacher.ensemble
          : teacher?.kind,
      allowed: 'kind: trained, without ensemble',
      fix: 'write teacher: { kind: trained, architecture: diffusion-mlp }',
    });
  return teacher;
}

interface StudentJobs {
  model: AnyModel;
  teacher: Trained;
  method: Method;
  config: unknown;
  setting: ReturnType<typeof settingOf>;
  settings: TrainSettings;
  rows: NDArray;
  validation?: NDArray;
  depends: unknown;
}

/** Students by the method, and the same network trained on the data alone and drawn with as many evaluations. */
async function trainSamplers(ctx: RunContext, jobs: StudentJobs) {
  const { method, config } = jobs;
  const updates = updatesFor(jobs.settings, jobs.rows.shape[0]);
  const read = sampleSource(jobs.rows);
  // a data-free method is given batches that hold nothing but their size
  const source = method.calls!.data === 'rows' ? read : emptySource(jobs.rows.shape[0]);
  const aloneConfig = denoising.config.parse({ steps: method.calls!.evaluations(config) });
  const shared = {
    model: jobs.model,
    setting: jobs.setting,
    settings: jobs.settings,
    updates,
    validation: jobs.validation,
    depends: jobs.depends,
  };
  let rowsRead = 0;
  const students: Students<Trained & { seed: number; seconds: number }> = await trainStudents(ctx, {
    async distilled(named, probe) {
      const trained = await trainGenerative(ctx, {
        ...shared,
        ...named,
        method,
        config,
        source,
        teacher: jobs.teacher,
        // the student without a teacher has fresh weights, which are nothing to adapt
        lora: ctx.recipe.student.lora,
        probe,
      });
      rowsRead = read.read();
      return trained;
    },
    alone: (named) =>
      trainGenerative(ctx, {
        ...shared,
        ...named,
        method: denoising,
        config: aloneConfig,
        source: sampleSource(jobs.rows),
      }),
  });
  return { ...students, aloneConfig, rowsRead };
}

interface ToTime {
  sampler: Awaited<ReturnType<typeof openSampler>>;
  steps: number;
  student: Trained;
  noise: NDArray;
}

/** Time per call of drawing: the student, and the teacher with all its steps. */
async function addLatency(ctx: RunContext, arms: readonly ReportArm[], t: ToTime): Promise<void> {
  const { batches, repeats } = ctx.recipe.evaluate.latency;
  const timed = async (draw: (noise: NDArray) => Promise<unknown>): Promise<ReportArm['latency']> => {
    const out: NonNullable<ReportArm['latency']> = [];
    for (const batch of batches) {
      const noise = takeRows(t.noise, first(Math.min(batch, t.noise.shape[0])));
      const stats = await measureLatency(() => draw(noise), { runs: repeats, seconds: 3, batch });
      out.push({ variant: 'float32', ...stats });
    }
    return out;
  };
  const { student, sampler, steps } = t;
  const find = (role: string): ReportArm => arms.find((a) => a.role === role)!;
  const one = await openDraw(ctx.engine, student.model, student.params);
  Object.assign(find('distilled'), { latency: await timed((noise) => one.draw(noise)) });
  await one.dispose();
  Object.assign(find('teacher'), { latency: await timed((noise) => sampler.draw(noise, { steps })) });
}
