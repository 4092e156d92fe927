import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { type JsonSchema, validates } from '../../generate/json-schema.ts';
import { runUntrusted, type SandboxOptions } from '../../util/node/sandbox.ts';
import { comparableAnswer } from './answers.ts';
import { byPrompt, field, requireText } from './fields.ts';
import { passRates } from './pick.ts';
import { defineStep, type Removed, type TextRecord, traced } from './step.ts';
import { type AnswerRule, answerIn, answerOptions } from './vote.ts';

const verifier = z
  .discriminatedUnion('kind', [
    z
      .strictObject({
        kind: z.literal('exact'),
        ...answerOptions,
        gold: field.default('answer').describe('where the right answer stands'),
      })
      .describe('the answer equals the right one'),
    z
      .strictObject({ kind: z.literal('pattern'), pattern: z.string().min(1).describe('regular expression') })
      .describe('the text fits a regular expression'),
    z
      .strictObject({
        kind: z.literal('schema'),
        schema: z.record(z.string(), z.unknown()).describe('JSON schema that the text, as JSON, must fit'),
      })
      .describe('the text is JSON of a schema'),
    z
      .strictObject({
        kind: z.literal('unit-test'),
        tests: field
          .default('tests')
          .describe('where the tests stand: JavaScript that throws when the code is wrong'),
        run: z
          .literal(true)
          .describe(
            'must be written out: code that a model wrote is run on this machine, see docs/data-steps.md',
          ),
        seconds: z.number().positive().max(120).default(5).describe('longest run of one program'),
        megabytes: z.int().min(16).max(4096).default(128).describe('largest heap of one program'),
        isolation: z
          .enum(['strict', 'process'])
          .default('strict')
          .describe('strict: refuse where the system cannot keep the network shut'),
      })
      .describe('the text is JavaScript that passes the tests of its row'),
  ])
  .describe('what makes a text right');

type Verifier = z.output<typeof verifier>;

/** Code out of an answer: the fenced blocks when there are any, else everything. */
export function codeIn(text: string): string {
  const blocks = [...text.matchAll(/```[a-zA-Z]*\n([\s\S]*?)```/g)].map((m) => m[1]);
  return blocks.length > 0 ? blocks.join('\n') : text;
}

/** JSON out of an answer: the whole text, a fenced block, or the first {…} or […] that parses; undefined without any. */
export function jsonIn(text: string): unknown {
  const fenced = /```(?:json)?\n([\s\S]*?)```/.exec(text)?.[1];
  const found = /[[{][\s\S]*[\]}]/.exec(text)?.[0];
  for (const t of [text, fenced, found]) {
    if (t === undefined) continue;
    try {
      return JSON.parse(t) as unknown;
    } catch {
      // the next candidate
    }
  }
  return undefined;
}

/** Why a text is wrong, or undefined when it is right. */
async function fault(text: string, record: TextRecord, v: Verifier): Promise<string | undefined> {
  switch (v.kind) {
    case 'exact': {
      const got = answerIn(text, v.answer as AnswerRule);
      const want = comparableAnswer(requireText(record, v.gold, 'verify.gold'));
      return got === want ? undefined : got === undefined ? 'no answer found' : `${got}, right is ${want}`;
    }
    case 'pattern':
      return new RegExp(v.pattern, 'u').test(text) ? undefined : `does not fit /${v.pattern}/`;
    case 'schema': {
      const json = jsonIn(text);
      if (json === undefined) return 'no JSON';
      return validates(v.schema as JsonSchema, json) ? undefined : 'JSON that does not fit the schema';
    }
    case 'unit-test': {
      const { seconds, megabytes, isolation } = v;
      const options: SandboxOptions = { seconds, megabytes, isolation };
      const { outcome, output } = await runUntrusted(
        codeIn(text),
        requireText(record, v.tests, 'verify.tests'),
        options,
      );
      return outcome === 'passed' ? undefined : `${outcome}: ${output.split('\n')[0].slice(0, 120)}`;
    }
  }
}

/** Programs that are run at a time. */
const TOGETHER = Math.max(1, Math.min(8, availableParallelism()));

/** Rejection sampling: only texts that a verifier accepts are kept. */
export const verifyStep = defineStep({
  name: 'verify',
  about:
    'keep texts that a verifier accepts: right answer, pattern, JSON schema, unit tests (rejection sampling)',
  options: z.strictObject({
    field: field.default('response'),
    by: verifier,
    perPrompt: z.int().positive().optional().describe('at most so many right texts of a prompt'),
    mark: z
      .boolean()
      .default(false)
      .describe(
        'keep everything and only note `right` and `passRate` (the share of right samples of the prompt)',
      ),
  }),
  version: 1,
  needs: [],
  async run(records, { field: name, by, perPrompt, mark }, { onProgress }) {
    const faults = new Map<TextRecord, string | undefined>();
    for (let from = 0; from < records.length; from += TOGETHER) {
      const part = records.slice(from, from + TOGETHER);
      const found = await Promise.all(part.map((r) => fault(requireText(r, name, 'verify'), r, by)));
      part.forEach((r, i) => {
        faults.set(r, found[i]);
      });
      onProgress?.(Math.min(from + TOGETHER, records.length), records.length);
    }
    const right = new Set(records.filter((r) => faults.get(r) === undefined));
    const rates = passRates(records, right);
    const noted = (r: TextRecord): TextRecord =>
      traced(
        r,
        { step: 'verify', note: by.kind },
        { right: right.has(r), passRate: rates.get(r)!, ...(faults.get(r) ? { fault: faults.get(r)! } : {}) },
      );
    const figures = { right: right.size, passRate: records.length === 0 ? 0 : right.size / records.length };
    if (mark) return { kept: records.map(noted), removed: [], figures };
    const chosen = new Set<TextRecord>();
    for (const group of byPrompt(records).values())
      for (const r of group.filter((x) => right.has(x)).slice(0, perPrompt)) chosen.add(r);
    const kept: TextRecord[] = [];
    const removed: Removed[] = [];
    for (const record of records)
      if (chosen.has(record)) kept.push(noted(record));
      else
        removed.push({
          record,
          reason: faults.get(record) ?? `${perPrompt} right texts of this prompt are kept already`,
        });
    return { kept, removed, figures };
  },
});
