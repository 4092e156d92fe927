import * as ort from 'onnxruntime-node';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import { measureLatency } from '../evaluate/latency.ts';
import type { ReportLatency } from '../evaluate/report/data.ts';
import { decoderOnnx } from '../export/decoder.ts';
import { generate } from '../generate/generate.ts';
import { openDecoderSession } from '../generate/session.ts';
import type { NDArray } from '../graph/index.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';
import type { TokenRows } from '../train/language.ts';
import { type Students, studentFacts, teacherFacts } from './arms.ts';
import type { RunContext } from './context.ts';
import type { BuiltDecoder } from './decoder.ts';
import { type MeasuredWriter, writerValues } from './generate-report.ts';
import type { LanguageTeacher } from './generate-teacher.ts';
import { type RowScores, rowScorer, scoreRows } from './language-model.ts';
import { intervalOptions } from './report-parts.ts';

export interface ToMeasure {
  /** Absent where only its texts are known. */
  readonly teacher: LanguageTeacher | undefined;
  readonly students: Students;
  readonly built: BuiltDecoder;
  readonly testRows: TokenRows;
  /** The same rows as the teacher reads them. */
  readonly teacherRows: TokenRows;
  readonly tokenizer: Tokenizer;
}

type Weighted = { readonly model: DecoderModel; readonly params: Params<NDArray> };

/** Every arm on the test rows; agreement and KL where teacher and students share their tokens. */
export async function measureWriters(ctx: RunContext, m: ToMeasure): Promise<MeasuredWriter[]> {
  const options = intervalOptions(ctx.recipe);
  const { distilled, alone } = m.students;
  const trained = [...distilled, ...alone].map(({ params }) => ({ model: m.built.model, params }));
  const { teacher } = m;
  const scores = teacher?.shared
    ? await scored(ctx, m.testRows, [teacher, ...trained])
    : [
        ...(teacher ? await scored(ctx, m.teacherRows, [teacher]) : []),
        ...(await Promise.all(trained.map((t) => scored(ctx, m.testRows, [t])))).flat(),
      ];
  const bytes = learnedBytes(m.testRows, m.tokenizer);
  const arm = (
    facts: Omit<MeasuredWriter, 'values' | 'scores' | 'bytesOfText'>,
    own: readonly RowScores[],
  ): MeasuredWriter[] =>
    own.length === 0
      ? []
      : [{ ...facts, values: writerValues(own, bytes, options), scores: own, bytesOfText: bytes }];
  const own = scores.slice(teacher ? 1 : 0);
  return [
    ...(teacher
      ? arm(
          {
            ...teacherFacts(teacher),
            latency: await writingSpeed(ctx, teacher, m.teacherRows),
          },
          scores.slice(0, 1),
        )
      : []),
    ...arm(
      {
        ...studentFacts(ctx, 'distilled', distilled, m.built.model),
        latency: await writingSpeed(ctx, trained[0], m.testRows),
      },
      own.slice(0, distilled.length),
    ),
    ...arm(studentFacts(ctx, 'alone', alone, m.built.model), own.slice(distilled.length)),
  ];
}

async function scored(ctx: RunContext, rows: TokenRows, models: readonly Weighted[]): Promise<RowScores[]> {
  const scorers = await Promise.all(models.map((x) => rowScorer(ctx.engine, x.model, x.params)));
  const task = ctx.progress.task('test rows', rows.size, 'rows');
  const batchSize = (ctx.recipe.teacher as { batchSize?: number } | undefined)?.batchSize ?? 64;
  const out = await scoreRows(rows, scorers, { batchSize, onProgress: (done) => task.update({ done }) });
  task.finish();
  for (const s of scorers) await s.dispose();
  return out;
}

/** UTF-8 bytes of everything that is learned in the rows. */
export function learnedBytes(rows: TokenRows, tokenizer: Tokenizer): number {
  const utf8 = new TextEncoder();
  return rows.rows.reduce(
    (n, row) =>
      n +
      utf8.encode(
        tokenizer.decode(
          row.ids.filter((_, i) => row.learned[i]),
          { skipSpecial: true },
        ),
      ).length,
    0,
  );
}

/** Tokens written in one timed call, where the model has room for so many. */
const WRITTEN = 16;

/** Milliseconds a written token takes, with a cache, after prompts from the test rows. */
async function writingSpeed(ctx: RunContext, writer: Weighted, rows: TokenRows): Promise<ReportLatency[]> {
  const written = Math.max(1, Math.min(WRITTEN, Math.floor(writer.model.maxLength / 2)));
  const room = writer.model.maxLength - written;
  const session = await openDecoderSession(ort as never, decoderOnnx(writer), {
    contextLength: writer.model.maxLength,
  });
  const { batches, repeats } = ctx.recipe.evaluate.latency;
  const out: ReportLatency[] = [];
  try {
    for (const batch of batches) {
      const prompts = (run: number): number[][] =>
        Array.from({ length: batch }, (_, i) =>
          rows.rows[(run * batch + i) % rows.size].ids.slice(0, Math.max(1, Math.min(8, room))),
        );
      const stats = await measureLatency(
        (run) => generate(session, prompts(run), { maxTokens: written, batchSize: batch }),
        { warmup: 1, runs: repeats, seconds: 2, batch },
      );
      out.push({
        variant: 'float32, a token',
        batch,
        p50: stats.p50 / written,
        p95: stats.p95 / written,
        throughput: (1000 * batch * written) / stats.p50,
      });
    }
  } finally {
    await session.close();
  }
  return out;
}
