import { DecantError } from '../../util/errors.ts';
import type { SignalKind } from '../teacher.ts';
import type { ApiClient } from './client.ts';
import { type AnswerSchema, chatQuestion, completionQuestion, embeddingQuestion } from './dialect.ts';

/** What an endpoint was seen to do. */
export interface Capabilities {
  /** `POST chat/completions`, or `POST completions` where there is no chat. */
  chat: boolean;
  completions: boolean;
  /** Largest number of log-probabilities per token that came back; 0: none. */
  topk: number;
  /** How the shape of an answer can be prescribed. */
  schema: AnswerSchema['mode'];
}

/** The signals of an endpoint. */
export const signalsOf = (c: Capabilities): SignalKind[] => [
  ...(c.chat || c.completions ? (['text'] as const) : []),
  ...(c.topk > 0 ? (['topk'] as const) : []),
];

/** A question that any model can answer, with a schema of one enum. */
interface Trial {
  ask: string;
  member: string;
  names: readonly string[];
}

const colours: Trial = {
  ask: 'Is a ripe tomato red or blue? Answer with JSON: {"colour": "red"} or {"colour": "blue"}.',
  member: 'colour',
  names: ['red', 'blue'],
};

/** With the names that the real questions will use: some servers know no others, or limit how many there may be. */
const withNames = (names: readonly string[]): Trial => ({
  ask: `Choose any one of these names: ${names.join(', ')}. Answer with JSON: {"label": "..."}`,
  member: 'label',
  names,
});

const probeSchema = (mode: AnswerSchema['mode'], { member, names }: Trial): AnswerSchema => ({
  name: member,
  mode,
  schema: {
    type: 'object',
    properties: { [member]: { type: 'string', enum: names } },
    required: [member],
    additionalProperties: false,
  },
  problem: (value) =>
    names.includes((value as Record<string, string>)[member] ?? '') ? undefined : 'not of the schema',
});

/**
 * Asks an endpoint a few short questions and declares what it can do. The answers are kept like all others, so that a
 * second look asks only what was refused before, which costs nothing.
 *
 * @param wanted log-probabilities per token to try first; 0: do not ask for any
 * @param classes names that will be asked for, where there are any
 */
export async function probe(
  client: ApiClient,
  wanted = 20,
  classes?: readonly string[],
): Promise<Capabilities> {
  const { model } = client;
  const trial = classes ? withNames(classes) : colours;
  const longest = Math.max(...trial.names.map((n) => Buffer.byteLength(n)));
  const sampling = { model, temperature: 0, maxTokens: longest + 20 };
  const { ask } = trial;
  const messages = [{ role: 'user' as const, content: ask }];
  const problems: string[] = [];
  const tops = wanted > 0 ? [...new Set([wanted, Math.min(wanted, 5), 1])] : [];

  let schema: AnswerSchema['mode'] = 'none';
  let chat = false;
  for (const mode of ['json_schema', 'json_object', 'none'] as const) {
    const question = chatQuestion(messages, sampling, mode === 'none' ? undefined : probeSchema(mode, trial));
    const answer = await client.ask(question);
    if (answer.ok) {
      chat = true;
      schema = mode;
      break;
    }
    if (!answer.refused) throw gone(client, answer.problem);
    problems.push(answer.problem);
  }
  let topk = 0;
  if (chat) {
    for (const k of tops) {
      const answer = await client.ask(chatQuestion(messages, { ...sampling, topLogprobs: k }));
      if (!answer.ok) continue; // refuses so many: try fewer
      topk = Math.max(0, ...(answer.value.tokens ?? []).map((t) => t.top.length));
      break;
    }
    return { chat, completions: false, topk, schema };
  }
  // any words will do here, and small models have little room
  const [begun, few] = classes ? [ask, sampling] : ['A ripe tomato is', { ...sampling, maxTokens: 4 }];
  for (const k of [...tops, 0]) {
    const answer = await client.ask(completionQuestion(begun, { ...few, topLogprobs: k || undefined }));
    if (!answer.ok) {
      problems.push(answer.problem);
      continue;
    }
    topk = Math.max(0, ...(answer.value.tokens ?? []).map((t) => t.top.length));
    return { chat, completions: true, topk, schema: 'none' };
  }
  throw new DecantError('teacher', 'the endpoint answers neither chat nor completions', {
    at: model,
    seen: problems.at(-1),
  });
}

const gone = ({ model }: ApiClient, problem: string): DecantError =>
  new DecantError('teacher', 'the endpoint does not answer', {
    at: model,
    seen: problem,
    fix: 'check teacher.baseURL and that the server runs; the same command later goes on where it stopped',
  });

/** Width of the endpoint's embeddings, or undefined where it gives none. */
export async function probeEmbeddings(client: ApiClient): Promise<number | undefined> {
  const answer = await client.ask(embeddingQuestion(['tomato'], { model: client.model }));
  return answer.ok ? answer.value[0].length : undefined;
}
