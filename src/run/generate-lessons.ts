import type { Example } from '../data/types.ts';
import { column } from '../methods/columns.ts';
import { learnsFromText, type Method } from '../methods/method.ts';
import type { BatchSource } from '../train/batches.ts';
import { counterpartRows, type Reading } from '../train/counterpart.ts';
import type { TrainSettings } from '../train/job.ts';
import type { TokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import { apiKnowledge } from './api-knowledge.ts';
import type { RunContext } from './context.ts';
import { type TeacherKnowledge, teacherKnowledge } from './generate-signals.ts';
import { bucketedRows, type LanguageTeacher, sourceOf } from './generate-teacher.ts';
import { rowScorer } from './language-model.ts';
import type { StreamedTexts } from './streamed-texts.ts';

/** What the students of a run learn from. */
export interface Lessons extends Omit<TeacherKnowledge, 'columns' | 'asked'> {
  readonly distilled: BatchSource;
  /** The texts as they were given, for the student without a teacher; undefined where there are none. */
  readonly alone: BatchSource | undefined;
  /** Whether the batches of the distilled student have columns of the teacher. */
  readonly signals: boolean;
  /** Rows that the teacher was asked about so far. */
  readonly asked: () => number;
  /** What else the trained weights depend on. */
  readonly depends: readonly unknown[];
  close(): Promise<void>;
}

export interface LessonsOf {
  readonly student: Reading;
  /** Absent where it is behind an API, or there is none. */
  readonly teacher: LanguageTeacher | undefined;
  readonly method: Method;
  readonly settings: TrainSettings;
}

/** Rows in memory, with what the teacher says about each: asked once, and kept in the store. `seen`: the rows before steps. */
export async function heldLessons(
  ctx: RunContext,
  seen: readonly Example[],
  { student, teacher, method, settings }: LessonsOf,
): Promise<Lessons> {
  const { data, recipe } = ctx;
  const train = data.splits.train.items!;
  const rowsOf = (examples: readonly Example[]): TokenRows =>
    bucketedRows(examples, student, settings.buckets);
  const rows = rowsOf(train);
  // a method without signals, over rows that steps have made, has had all it wants of the teacher
  const served = data.steps !== undefined && method.needs.signals.length === 0;
  const knowledge: TeacherKnowledge =
    served || !recipe.teacher
      ? { asked: 0 }
      : teacher
        ? await teacherKnowledge(
            ctx,
            teacher,
            asTeacherReads(teacher, student, rows, train, settings.buckets),
            method,
          )
        : learnsFromText(method.needs)
          ? { asked: 0 }
          : await apiKnowledge(ctx, rows, train, student.tokenizer);
  const { columns, asked, ...said } = knowledge;
  ctx.journal.event('signals', { rows: rows.size, asked });
  if (settings.packing && teacher && !teacher.shared && columns)
    throw new DecantError('recipe', "rows cannot be packed beside a teacher's own tokens", {
      at: 'train.packing',
      seen: true,
      fix: 'leave train.packing out, or give both models one tokenizer',
    });
  const given = !recipe.teacher ? undefined : data.steps ? answered(seen, rowsOf) : rows;
  return {
    ...said,
    distilled: sourceOf(rows, student, settings, columns),
    alone: given && sourceOf(given, student, settings),
    signals: columns !== undefined,
    asked: () => asked,
    depends: data.steps ? [rows.rows.map((r) => r.ids)] : [],
    close: async () => {},
  };
}

/** A student's rows as its teacher reads them, where that splits text in another way. */
export const asTeacherReads = (
  teacher: LanguageTeacher | undefined,
  student: Reading,
  own: TokenRows,
  examples: readonly Example[],
  buckets: number,
): TokenRows =>
  teacher && !teacher.shared ? counterpartRows(own, examples, student.tokenizer, teacher, buckets) : own;

/** Rows with something to learn; undefined where the given rows are prompts alone. */
function answered(
  examples: readonly Example[],
  rowsOf: (e: readonly Example[]) => TokenRows,
): TokenRows | undefined {
  const whole = examples.filter((e) => e.prompt === undefined || e.response !== undefined);
  return whole.length > 0 ? rowsOf(whole) : undefined;
}

/**
 * Rows on the disk. Distributions over a vocabulary are larger than any text: the teacher is asked about every batch when it
 * is made, whole, and nothing is stored. Errors: `recipe`, `pairing` for what cannot be done batch by batch.
 */
export async function streamedLessons(
  ctx: RunContext,
  texts: StreamedTexts,
  { student, teacher, method, settings }: LessonsOf,
): Promise<Lessons> {
  requireStreamable(teacher, method, settings);
  const wanted = teacher !== undefined && method.needs.signals.length > 0;
  const scorer = wanted ? await rowScorer(ctx.engine, teacher.model, teacher.params) : undefined;
  let asked = 0;
  const source = (withTeacher: boolean): Promise<BatchSource> =>
    texts.source(
      student,
      settings.buckets,
      withTeacher && scorer
        ? async (rows) => {
            asked += rows.size;
            const all = rows.rows.map((_, i) => i);
            return { [column.teacherLogits]: await scorer.logits(rows, all) };
          }
        : undefined,
    );
  const distilled = await source(true);
  ctx.journal.event('signals', { rows: distilled.size, asked: 'batch by batch' });
  return {
    distilled,
    alone: ctx.recipe.teacher ? await source(false) : undefined,
    signals: wanted,
    asked: () => asked,
    depends: ['streamed', ctx.recipe.data.streaming],
    facts: wanted ? [{ name: 'Teacher signals on disk', value: 'none: asked about every batch anew' }] : [],
    warnings: [
      `The ${texts.size.toLocaleString('en-US')} training texts were read from the disk in every epoch; vocabulary and lengths are those of ${texts.sample.length.toLocaleString('en-US')} of them, chosen at random.`,
    ],
    close: async () => scorer?.dispose(),
  };
}

function requireStreamable(
  teacher: LanguageTeacher | undefined,
  { slug, needs }: Method,
  { packing }: TrainSettings,
): void {
  if (packing)
    throw new DecantError('recipe', 'rows that are streamed are not packed', {
      at: 'train.packing',
      seen: true,
      fix: 'leave train.packing or data.streaming out',
    });
  if (needs.signals.length > 0 && !needs.signals.some((set) => set.every((s) => s === 'logits')))
    throw new DecantError(
      'pairing',
      'rows that are streamed carry whole distributions of the teacher alone',
      {
        at: 'method',
        seen: `${slug}, which needs ${needs.signals.map((set) => set.join(' and ')).join(', or ')}`,
        allowed: 'methods that learn from logits, such as kd and taid',
      },
    );
  if (teacher && !teacher.shared)
    throw new DecantError('pairing', 'streamed rows are read with one tokenizer', {
      at: 'student.tokenizer',
      seen: 'a tokenizer other than the teacher’s',
      fix: "give the student the teacher's tokenizer (student.tokenizer.from), or leave data.streaming out",
    });
}
