import { resolve } from 'node:path';
import { severalWriters, type WritingMember } from '../teachers/several-writers.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { type ApiTeacherSettings, runApiWriter } from './api-teacher.ts';
import type { RunContext } from './context.ts';
import { decoderFromFolder } from './decoder.ts';
import { modelWriter, type Writer } from './model-writer.ts';
import { paramsHash } from './teacher.ts';
import { tokenizerFromFolder } from './text.ts';

type Member = (
  | (ApiTeacherSettings & { kind: 'api' })
  | { kind: 'folder'; path: string }
  | { kind: 'onnx'; path: string }
) & { for?: string[]; weight: number };

/** Whether the recipe's teacher is one that is asked for text over HTTP, or several of which some are. */
export const writesRemotely = ({ recipe }: Pick<RunContext, 'recipe'>): boolean =>
  recipe.teacher?.kind === 'api' || recipe.teacher?.kind === 'several';

/** The recipe's teacher behind an API, or its several ones, as one that writes. `topk`: see `runApiWriter`. */
export async function openRemoteWriter(ctx: RunContext, options: { topk?: boolean } = {}): Promise<Writer> {
  if (ctx.recipe.teacher?.kind !== 'several') return runApiWriter(ctx, options);
  const { members, by } = ctx.recipe.teacher as unknown as { members: Member[]; by?: string };
  const opened: (WritingMember & { writer: Writer })[] = [];
  const close = async (): Promise<void> => {
    for (const { writer } of opened) await writer.close();
  };
  try {
    for (const [i, m] of members.entries()) {
      requireWriter(m, i);
      const writer =
        m.kind === 'api'
          ? await runApiWriter(ctx, options, m, `ledger-${i + 1}.jsonl`)
          : await folderWriter(ctx, m.path);
      opened.push({ writer, for: m.for });
    }
    return { ...severalWriters(opened, { by }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function requireWriter(m: Member, i: number): void {
  if (m.kind === 'onnx')
    throw new DecantError('recipe', 'this kind of teacher writes no text', {
      at: `teacher.members.${i}.kind`,
      seen: m.kind,
      allowed: 'api, folder',
    });
  if (m.weight !== 1)
    throw new DecantError('recipe', 'texts have no weights: every member that answers a row writes', {
      at: `teacher.members.${i}.weight`,
      seen: m.weight,
      fix: 'leave it out; steps such as vote and best choose among the texts',
    });
}

/** The language model of a local folder as one that writes. */
async function folderWriter(ctx: RunContext, given: string): Promise<Writer> {
  const path = resolve(ctx.baseDir, given);
  const tokenizer = await tokenizerFromFolder(path);
  const { model, start: params } = await decoderFromFolder(path);
  const id = `folder:${contentHash([paramsHash(params), contentHash(tokenizer.files)])}`;
  return modelWriter({ name: `${model.architecture} from ${given}`, id, model, params, tokenizer });
}
