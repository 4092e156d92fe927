/**
 * A labelling session in a process of its own, so that it can be killed: `label-child.ts FOLDER URL TEXTS CONCURRENCY
 * BUDGET`. Says `begun` when the first request goes out; at the end the labels stand in `labels.json` of the folder.
 * Ends with 3 where the budget was used up.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDecantError } from '../../../util/errors.ts';
import { apiClassifier } from '../classify.ts';
import { mapOrdered } from '../ordered.ts';
import { classes, labelName, session, textsOf } from './fault-run.ts';

const [folder, baseURL, texts, concurrency, budget] = process.argv.slice(2);
const run = await session(folder, baseURL, {
  concurrency: Number(concurrency),
  timeout: 1,
  env: process.env,
  ledgerOptions: Number(budget) > 0 ? { budget: { tokens: Number(budget) } } : {},
});
const capabilities = { chat: true, completions: false, topk: 5, schema: 'json_schema' } as const;
const { label } = apiClassifier(run.client, capabilities, { classes });
process.stdout.write('begun\n');
try {
  const labels: (string | undefined)[] = [];
  for await (const one of mapOrdered(textsOf(Number(texts)), 4 * Number(concurrency), label))
    labels.push(labelName(one));
  writeFileSync(join(folder, 'labels.json'), JSON.stringify(labels));
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n${JSON.stringify(error)}\n`);
  process.exitCode = isDecantError(error) && error.code === 'budget' ? 3 : 1;
} finally {
  await run.close();
}
