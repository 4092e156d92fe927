import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createOpener, createReader, openSplit } from '../data/reader.ts';
import { hubData } from '../data/sources/hub-data.ts';
import type { Example } from '../data/types.ts';
import { dataSpecOf } from '../recipe/data-spec.ts';
import { parseRecipe } from '../recipe/parse.ts';
import type { ApiTeacherSettings } from '../run/api-teacher.ts';
import { listenForInterrupt } from '../run/interrupt.ts';
import { type LabelResult, labelTexts } from '../run/label.ts';
import { createProgress } from '../run/progress.ts';
import { DecantError } from '../util/errors.ts';
import type { LabelFlags } from './commands/label.ts';
import { createOutput, type Io } from './io.ts';

/** `decant label`. */
export async function labelCommand(source: string, flags: LabelFlags, io: Io): Promise<void> {
  const output = createOutput(io, flags);
  const teacher = settingsOf(flags);
  const { examples, own, problems } = await readTexts(source, flags, io);
  if (problems > 0) output.note(`note: ${problems} rows cannot be read and are left out; see decant data`);
  const classes = flags.classes === undefined ? own : classesOf(flags.classes, io);
  if (!classes || classes.length < 2)
    throw new DecantError('usage', 'the teacher needs at least two classes to choose from', {
      at: '--classes',
      seen: classes,
      fix: 'for example --classes refund,card_lost or --classes @classes.txt',
    });
  const folder = resolve(
    io.cwd,
    flags.out ?? join('labels', flags.teacher.replace(/[^A-Za-z0-9._-]+/g, '-')),
  );
  const file = (path: string | undefined): string | undefined => path && resolve(io.cwd, path);
  const interrupt = listenForInterrupt({ finishing: 'Waiting for the answers under way' });
  const progress = createProgress(output.json ? { mode: 'silent' } : {});
  const task =
    flags.estimate || flags.writeBatch
      ? undefined
      : progress.task(`teacher: ${flags.teacher}`, examples.length, 'rows');
  try {
    const result = await labelTexts(examples, {
      folder,
      teacher,
      classes,
      baseDir: io.cwd,
      env: io.env,
      capabilities:
        flags.schema === undefined
          ? undefined
          : { chat: true, completions: false, topk: flags.topLogprobs ?? 5, schema: schemaOf(flags.schema) },
      estimate: flags.estimate,
      writeBatch: file(flags.writeBatch),
      readBatch: file(flags.readBatch),
      byBatch: flags.batch,
      probabilities: flags.probabilities,
      stopRequested: () => interrupt.requested,
      onProgress: (done) => task?.update({ done }),
    });
    task?.finish(result.fromStore > 0 ? `${result.fromStore} from the store` : '');
    output.result(result, () => textOf(result, folder, io));
  } finally {
    progress.close();
    interrupt.dispose();
  }
}

function settingsOf(flags: LabelFlags): ApiTeacherSettings {
  const money = flags.budgetMoney === undefined ? undefined : Number(flags.budgetMoney);
  if (money !== undefined && !(money > 0))
    throw new DecantError('usage', 'a budget is a number above 0', {
      at: '--budget-money',
      seen: flags.budgetMoney,
    });
  return {
    model: flags.teacher,
    provider: flags.provider,
    baseURL: flags.baseUrl,
    keyEnv: flags.keyEnv,
    prompt: flags.prompt,
    concurrency: flags.concurrency,
    topLogprobs: flags.topLogprobs,
    signals: flags.topLogprobs === 0 ? ['text'] : undefined,
    budget: { money, tokens: flags.budgetTokens },
    prices: flags.prices,
  };
}

function schemaOf(text: string): 'json_schema' | 'json_object' | 'none' {
  if (text === 'json_schema' || text === 'json_object' || text === 'none') return text;
  throw new DecantError('usage', 'unknown way to prescribe a schema', {
    at: '--schema',
    seen: text,
    allowed: 'json_schema, json_object, none',
  });
}

const classesOf = (text: string, io: Io): string[] =>
  (text.startsWith('@') ? readFileSync(resolve(io.cwd, text.slice(1)), 'utf8').split('\n') : text.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** The texts of a source in their order, and its own list of classes where it has one. */
async function readTexts(
  source: string,
  flags: LabelFlags,
  io: Io,
): Promise<{ examples: Example[]; own: string[] | undefined; problems: number }> {
  const text = JSON.stringify({
    version: 1,
    task: 'classify',
    data: { train: source },
    student: { architecture: '-' },
    method: '-',
  });
  const { recipe } = parseRecipe(text, { file: source, set: flags.set });
  const spec = dataSpecOf(recipe);
  const opener = createOpener(spec, {
    baseDir: io.cwd,
    dataRoot: io.env.DECANT_DATA,
    hub: hubData({ env: io.env }),
  });
  const split = await openSplit('train', spec.train, opener);
  const examples: Example[] = [];
  let problems = 0;
  const limit = flags.limit ?? Number.POSITIVE_INFINITY;
  for await (const batch of createReader(split, 'classify', spec, true).read()) {
    for (const item of batch) {
      if ('problem' in item) problems++;
      else if (examples.length < limit) examples.push(item.example);
    }
    if (examples.length >= limit) break;
  }
  if (examples.length === 0)
    throw new DecantError('data', 'there are no texts to label', {
      at: source,
      fix: 'run "decant data" on this source to see every problem',
    });
  return { examples, own: spec.classes ?? split.set.classes, problems };
}

function textOf(r: LabelResult, folder: string, io: Io): string {
  const whole = (n: number): string => n.toLocaleString('en-US');
  const money = (n: number): string =>
    r.currency === undefined ? '' : `, ${n.toPrecision(3)} ${r.currency}`;
  if (r.estimate)
    return `${whole(r.rows)} rows, ${whole(r.fromStore)} answered; ${whole(r.estimate.questions)} questions to ask: about ${whole(r.estimate.inputTokens)} tokens in, at most ${whole(r.estimate.outputTokens)} out${r.estimate.money === undefined ? '' : money(r.estimate.money)}`;
  if (r.batch?.written !== undefined)
    return `${whole(r.batch.written)} questions written, ${whole(r.batch.known)} answered already`;
  const { ledger } = r;
  return [
    `${whole(r.labelled)} of ${whole(r.rows)} rows labelled, ${whole(r.fromStore)} from the store`,
    ...(r.unlabelled > 0 ? [`${whole(r.unlabelled)} without a usable answer: unlabelled.jsonl`] : []),
    `ledger  ${whole(ledger.requests)} requests, ${whole(ledger.tokens)} tokens${money(ledger.money)}; ${whole(ledger.lost)} possibly paid answers lost`,
    `labels  ${relative(io.cwd, r.file ?? folder)}`,
  ].join('\n');
}
