import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ndarray, toNumbers } from '../graph/index.ts';
import type { OutputLayer } from '../nn/output-layer.ts';
import { folderTeacher, onnxTeacher } from '../teachers/local.ts';
import { type SeveralMember, severalTeachers } from '../teachers/several.ts';
import type { Teacher } from '../teachers/teacher.ts';
import { DecantError } from '../util/errors.ts';
import { type ApiTeacherSettings, runApiTeacher } from './api-teacher.ts';
import type { RunContext } from './context.ts';
import { trainTeacher } from './teacher.ts';

/** The teacher of a classifier: the program's own, or the recipe's, its outputs in the order of the data's classes. */
export async function classifierTeacher(ctx: RunContext): Promise<Teacher & { seconds?: number }> {
  return ctx.teacher ? inClassOrder(ctx.teacher, ctx.data.classes!) : openTeacher(ctx);
}

async function openTeacher(ctx: RunContext): Promise<Teacher & { seconds?: number }> {
  const settings = ctx.recipe.teacher as LocalSettings | undefined;
  const classes = ctx.data.classes!;
  if (!settings)
    throw new DecantError('recipe', 'the recipe names no teacher', {
      at: 'teacher',
      fix: 'add teacher: { kind: trained, architecture: … } or a model folder',
    });
  if (settings.kind === 'trained') return trainTeacher(ctx, classes);
  if (settings.kind === 'api') return runApiTeacher(ctx, classes);
  if (settings.kind === 'several') return openSeveral(ctx, ctx.recipe.teacher as unknown as SeveralSettings);
  return openLocal(ctx, settings, 'teacher');
}

interface LocalSettings {
  kind: string;
  path?: string;
  classes?: string[];
  maxLength?: number;
  batchSize: number;
}

interface SeveralSettings {
  by?: string;
  members: ((LocalSettings | (ApiTeacherSettings & { kind: 'api' })) & { for?: string[]; weight: number })[];
}

/** Every member with its own ledger; what was opened is closed when one cannot be. */
async function openSeveral(ctx: RunContext, { by, members }: SeveralSettings): Promise<Teacher> {
  const classes = ctx.data.classes!;
  const opened: SeveralMember[] = [];
  try {
    for (const [i, m] of members.entries())
      opened.push({
        teacher:
          m.kind === 'api'
            ? await runApiTeacher(ctx, classes, m as ApiTeacherSettings, `ledger-${i + 1}.jsonl`)
            : await openLocal(ctx, m as LocalSettings, `teacher.members.${i}`),
        for: m.for,
        weight: m.weight,
      });
    return severalTeachers(opened, { by, classes });
  } catch (error) {
    for (const { teacher } of opened) await teacher.close();
    throw error;
  }
}

async function openLocal(ctx: RunContext, settings: LocalSettings, at: string): Promise<Teacher> {
  const classes = ctx.data.classes!;
  const options = {
    engine: ctx.engine,
    classes: settings.classes,
    maxLength: settings.maxLength,
    batchSize: settings.batchSize,
  };
  const path = resolve(ctx.baseDir, settings.path ?? '');
  if (settings.kind === 'folder' || settings.kind === 'onnx') {
    if (!existsSync(path))
      throw new DecantError('recipe', 'there is nothing at this path', {
        at: `${at}.path`,
        seen: settings.path,
      });
    const teacher =
      settings.kind === 'folder' ? await folderTeacher(path, options) : await onnxTeacher(path, options);
    return inClassOrder(teacher, classes);
  }
  throw new DecantError('recipe', 'this kind of teacher cannot be used for classification yet', {
    at: `${at}.kind`,
    seen: settings.kind,
    allowed: 'trained, folder, onnx, api, several',
  });
}

/** Rows of an output layer, in the order given. */
function chosenRows({ weights, bias }: Pick<OutputLayer, 'weights' | 'bias'>, order: readonly number[]) {
  const width = weights.shape[1];
  const rows = order.map((o) => [...toNumbers(weights).slice(o * width, (o + 1) * width)]);
  return {
    weights: ndarray(Float32Array.from(rows.flat()), [order.length, width]),
    ...(bias && {
      bias: ndarray(
        Float32Array.from(order, (o) => toNumbers(bias)[o]),
        [order.length],
      ),
    }),
  };
}

/** The teacher's columns in the order of the data's classes; classes it does not know are an error. */
function inClassOrder(teacher: Teacher, classes: readonly string[]): Teacher {
  const own = teacher.classes;
  if (!own) return teacher;
  const missing = classes.filter((c) => !own.includes(c));
  if (missing.length > 0) {
    throw new DecantError(
      'pairing',
      `the teacher does not know ${missing.length} of the ${classes.length} classes`,
      {
        at: 'teacher',
        seen: missing.slice(0, 5).join(', '),
        allowed: own.slice(0, 8).join(', '),
        fix: 'list its classes in the order of its outputs under teacher.classes',
      },
    );
  }
  const order = classes.map((c) => own.indexOf(c));
  if (order.every((o, i) => o === i) && own.length === classes.length) return teacher;
  return {
    ...teacher,
    ...(teacher.outputLayer && { outputLayer: async () => chosenRows(await teacher.outputLayer!(), order) }),
    id: `${teacher.id}/classes:${order.join()}`,
    classes,
    async logits(examples) {
      const all = await teacher.logits!(examples);
      const [rows, width] = all.shape;
      const out = new Float32Array(rows * order.length);
      for (let r = 0; r < rows; r++)
        order.forEach((o, c) => {
          out[r * order.length + c] = (all.data as Float32Array)[r * width + o];
        });
      return { dtype: 'float32', shape: [rows, order.length], data: out };
    },
  };
}
