import { methods } from '../methods/index.ts';
import { learnsFromText, type Method } from '../methods/method.ts';
import type { Reading } from '../train/counterpart.ts';
import { DecantError } from '../util/errors.ts';
import { learnsFromTopK } from './api-knowledge.ts';
import type { RunContext } from './context.ts';
import { asksTeacher, curatedRun, rewritesRows } from './data-steps.ts';
import { type LanguageTeacher, languageTeacher } from './generate-teacher.ts';
import { modelWriter, type Writer } from './model-writer.ts';
import { openRemoteWriter, writesRemotely } from './open-writer.ts';
import type { StreamedTexts } from './streamed-texts.ts';

/** What a run has of its teacher. */
export interface OpenedTeacher {
  /** Absent where it is behind an API, and where the recipe has none. */
  readonly teacher: LanguageTeacher | undefined;
  /** The teacher as one that writes, opened when steps ask for it. */
  readonly writer: () => Promise<Writer | undefined>;
}

/** A teacher behind an API, or several of which some are: it writes before anything is known of the student. */
export function remoteTeacher(ctx: RunContext, method: Method): OpenedTeacher | undefined {
  if (!writesRemotely(ctx)) return undefined;
  const topk = requireWriting(ctx, method);
  return { teacher: undefined, writer: () => openRemoteWriter(ctx, { topk }) };
}

/** The recipe's teacher with its weights. */
export async function openLanguageTeacher(
  ctx: RunContext,
  student: Reading,
  method: Method,
  streamed?: StreamedTexts,
): Promise<OpenedTeacher> {
  if (!ctx.recipe.teacher && method.needs.signals.length === 0)
    return { teacher: undefined, writer: async () => undefined };
  const teacher = await languageTeacher(ctx, student, method, streamed);
  return { teacher, writer: () => modelWriter(teacher) };
}

/**
 * Whether log-probabilities are wanted beside the text of an API. Errors: `pairing` for methods that need more of their
 * teacher, `recipe` where nothing has it write.
 */
function requireWriting(ctx: RunContext, method: Method): boolean {
  const { slug, needs } = method;
  const textIsEnough = needs.signals.length === 0 || learnsFromText(needs);
  if (!textIsEnough && !learnsFromTopK(method)) {
    const fitting = Object.values(methods).filter(
      (m) => m.needs.tasks.includes('generate') && (learnsFromText(m.needs) || learnsFromTopK(m)),
    );
    throw new DecantError('pairing', 'a teacher behind an API gives text and top-k log-probabilities', {
      at: 'method',
      seen: `${slug}, which needs ${needs.signals.map((set) => set.join(' and ')).join(', or ')}`,
      allowed: fitting.map((m) => m.slug).join(', '),
    });
  }
  if (!rewritesRows(ctx, method))
    throw new DecantError(
      'recipe',
      'a teacher behind an API teaches by what it writes, and nothing has it write',
      {
        at: 'data.steps',
        seen: `none, method ${slug}`,
        fix: 'add data.steps: [{ step: write }], or take method: sequence-kd',
      },
    );
  return !textIsEnough;
}

/** The run with its training rows after steps; the run as it is when there are none. */
export async function curatedBy(
  ctx: RunContext,
  method: Method,
  config: unknown,
  open: OpenedTeacher['writer'],
): Promise<RunContext> {
  if (!rewritesRows(ctx, method)) return ctx;
  const writer = asksTeacher(ctx, method) ? await open() : undefined;
  try {
    return await curatedRun(ctx, method, config, writer);
  } finally {
    await writer?.close();
  }
}
