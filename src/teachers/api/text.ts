import type { TextTeacher, WriteOptions, Written } from '../../data/steps/step.ts';
import { type JsonSchema, validates } from '../../generate/json-schema.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import type { Capabilities } from './capabilities.ts';
import type { Answer, ApiClient } from './client.ts';
import {
  type AnswerSchema,
  chatQuestion,
  completionQuestion,
  type Question,
  type WrittenAnswer,
} from './dialect.ts';
import { mapOrdered } from './ordered.ts';

/**
 * A model behind an endpoint as a teacher that writes; with a schema, JSON that fits it, in its shortest spelling. Every
 * sample is a question of its own, told apart by its seed, so that each answer is kept and none is asked for twice.
 * `topLogprobs` are asked for with every token where the endpoint gives any: {@link alignedTopK} makes signals of them. A question that the server refuses has no text; questions whose
 * every attempt failed on the way are an error (`teacher`), after all others are answered and kept.
 */
export function apiTextTeacher(
  client: ApiClient,
  capabilities: Pick<Capabilities, 'chat' | 'topk' | 'schema'>,
  settings: { system?: string; schema?: JsonSchema; topLogprobs?: number } = {},
): TextTeacher {
  if (settings.schema && !capabilities.chat)
    throw new DecantError('teacher', 'answers of a schema need an endpoint that chats', {
      at: 'teacher.schema',
      seen: 'completions only',
    });
  const shape = settings.schema && answerShape(settings.schema, capabilities.schema);
  const system = settings.system === undefined ? [] : [{ role: 'system' as const, content: settings.system }];
  const question = (prompt: string, o: WriteOptions, sample: number): Question<WrittenAnswer> => {
    const sampling = {
      model: client.model,
      temperature: o.temperature ?? 0,
      topP: o.topP,
      maxTokens: o.maxTokens,
      stop: o.stop?.length ? [...o.stop] : undefined,
      // a sample is the same question again: the seed makes it another one
      seed: (o.temperature ?? 0) > 0 ? seedOf(o.seed, sample) : undefined,
      topLogprobs: Math.min(capabilities.topk, settings.topLogprobs ?? 1) || undefined,
    };
    const penalties = { frequency_penalty: o.frequencyPenalty, presence_penalty: o.presencePenalty };
    const asked = capabilities.chat
      ? chatQuestion(
          [...system, { role: 'user', content: `${prompt}${shape?.hint ?? ''}` }],
          sampling,
          shape?.schema,
        )
      : completionQuestion(prompt, sampling);
    const given = Object.entries(penalties).filter(([, v]) => v !== undefined);
    return { ...asked, body: { ...asked.body, ...Object.fromEntries(given) } };
  };
  return {
    name: `${client.model} behind an API`,
    id: `api-text:${contentHash({
      key: client.key(question('', {}, 0)),
      system: settings.system ?? '',
    })}`,
    async write(prompts, options) {
      const samples = (options.temperature ?? 0) > 0 ? (options.samples ?? 1) : 1;
      const jobs = prompts.flatMap((prompt, i) =>
        Array.from({ length: samples }, (_, sample) => ({ i, prompt, sample })),
      );
      const out: Written[][] = prompts.map(() => []);
      const lost: string[] = [];
      const ask = async (job: (typeof jobs)[number]): Promise<Answer<WrittenAnswer>> =>
        client.ask(question(job.prompt, options, job.sample));
      let at = 0;
      for await (const answer of mapOrdered(jobs, 4 * client.pace.max, ask)) {
        const { i } = jobs[at++];
        if (answer.ok) out[i].push({ ...written(answer.value), answer: answer.key });
        else if (!answer.refused) lost.push(answer.problem);
      }
      if (lost.length > 0)
        throw new DecantError('teacher', `${lost.length} of ${jobs.length} questions got no answer`, {
          at: 'teacher',
          seen: lost[0],
          fix: 'go on later: what was answered is kept and is not asked again',
        });
      return out;
    },
  };
}

/** How the endpoint is told of a schema, and how its answers are checked. */
function answerShape(
  schema: JsonSchema,
  mode: Capabilities['schema'],
): { schema: AnswerSchema; hint: string } {
  return {
    schema: {
      name: 'answer',
      mode,
      schema,
      problem: (value) =>
        validates(schema, value) ? undefined : `not of the schema: ${JSON.stringify(value).slice(0, 80)}`,
    },
    hint: mode === 'json_schema' ? '' : `\nAnswer with JSON that fits this schema: ${JSON.stringify(schema)}`,
  };
}

const written = ({ text, finish, tokens, json }: WrittenAnswer): Written => ({
  text: json === undefined ? text : JSON.stringify(json),
  ...(tokens ? { logp: tokens.reduce((sum, t) => sum + t.logp, 0) } : {}),
  finished: finish !== 'length',
});

/** A non-negative 31-bit number per seed and sample. */
const seedOf = (seed: number | string | undefined, sample: number): number =>
  Number.parseInt(contentHash([seed ?? 0, sample]).slice(0, 8), 16) & 0x7fffffff;
