import type { Example } from '../../data/types.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import { exampleKey, type Teacher } from '../teacher.ts';
import { type Capabilities, signalsOf } from './capabilities.ts';
import { type ClassReading, readClass } from './class-probabilities.ts';
import type { ApiClient } from './client.ts';
import {
  type AnswerSchema,
  chatQuestion,
  completionQuestion,
  type Question,
  type WrittenAnswer,
} from './dialect.ts';
import { mapOrdered } from './ordered.ts';

export interface ClassifierSettings {
  classes: readonly string[];
  /** Instruction; `{text}` is replaced by the input, `{classes}` by the list of classes. */
  prompt?: string;
  temperature?: number;
  maxTokens?: number;
  /** Log-probabilities asked for per token, at most what the endpoint gives; 0: labels only. */
  topLogprobs?: number;
}

/** What the teacher says about one example. */
export type Labelled =
  | { ok: true; reading: ClassReading; raw: string; fromStore: boolean }
  | { ok: false; problem: string; refused: boolean };

export interface ApiClassifier extends Teacher {
  question(example: Example): Question<WrittenAnswer>;
  label(example: Example): Promise<Labelled>;
  readonly client: ApiClient;
  /** Examples that got no usable answer, with the reason. */
  readonly failed: readonly { example: Example; problem: string }[];
}

/**
 * Probability given to a class of which only the label is known; the rest is shared by the other classes. Its logit
 * stands 6.9 + log(classes - 1) above theirs.
 */
export const LABEL_PROBABILITY = 0.999;

/** Smallest probability, so that logits are finite. */
const FLOOR = 1e-6;

const INSTRUCTION =
  'Classify the text. Answer with the one class that fits best, spelled exactly as in the list.\nClasses: {classes}';

const MEMBER = 'label';

/** How a text is asked about: its question, and the member of the JSON answer that holds the class. */
export function classifierQuestion(
  model: string,
  capabilities: Capabilities,
  settings: ClassifierSettings,
): { question: (example: Example) => Question<WrittenAnswer>; member: string | undefined } {
  const { classes } = settings;
  const longest = Math.max(...classes.map((c) => Buffer.byteLength(c, 'utf8')));
  const sampling = {
    model,
    temperature: settings.temperature ?? 0,
    maxTokens: settings.maxTokens ?? longest + 16,
    topLogprobs: Math.min(settings.topLogprobs ?? 20, capabilities.topk) || undefined,
  };
  const schema: AnswerSchema | undefined =
    capabilities.schema === 'none'
      ? undefined
      : {
          name: 'classification',
          mode: capabilities.schema,
          schema: {
            type: 'object',
            properties: { [MEMBER]: { type: 'string', enum: [...classes] } },
            required: [MEMBER],
            additionalProperties: false,
          },
          problem(value) {
            const answer: WrittenAnswer = { text: '', finish: undefined, json: value };
            return readClass(answer, classes, MEMBER).label === undefined
              ? `no class of the list under "${MEMBER}"`
              : undefined;
          },
        };
  const member = schema ? MEMBER : undefined;
  const list = classes.join(', ');
  const template = settings.prompt ?? INSTRUCTION;
  const question = (example: Example): Question<WrittenAnswer> => {
    const text = textOf(example);
    const filled = template.replaceAll('{classes}', () => list).replaceAll('{text}', () => text);
    const whole = template.includes('{text}');
    const shape = schema ? `\nAnswer with JSON: {"${MEMBER}": "..."}` : '';
    const inner = capabilities.chat
      ? chatQuestion(
          whole
            ? [{ role: 'user', content: `${filled}${shape}` }]
            : [
                { role: 'system', content: `${filled}${shape}` },
                { role: 'user', content: text },
              ],
          sampling,
          schema,
        )
      : completionQuestion(whole ? filled : `${filled}\nText: ${text}\nClass:`, {
          ...sampling,
          stop: ['\n'],
        });
    return {
      ...inner,
      read(json) {
        const answer = inner.read(json);
        if ('unusable' in answer || readClass(answer, classes, member).label !== undefined) return answer;
        return { unusable: 'the answer names no class of the list' };
      },
    };
  };
  return { question, member };
}

/**
 * A classifier behind an endpoint: one question per text, with the list of classes and, where the endpoint obeys it, a
 * JSON schema. Logits are log-probabilities over the classes: from the answer's token log-probabilities where the
 * endpoint gives them, else {@link LABEL_PROBABILITY} for the class that was written. Examples that the server refuses
 * or answers outside the list get equal probabilities and are listed in `failed`; those whose every attempt failed on
 * the way are an error (`teacher`), after all others are answered and kept.
 */
export function apiClassifier(
  client: ApiClient,
  capabilities: Capabilities,
  settings: ClassifierSettings,
): ApiClassifier {
  const { classes } = settings;
  const { question, member } = classifierQuestion(client.model, capabilities, settings);
  const failed: { example: Example; problem: string }[] = [];
  const label = async (example: Example): Promise<Labelled> => {
    const answer = await client.ask(question(example));
    if (!answer.ok) {
      failed.push({ example, problem: answer.problem });
      return answer;
    }
    const { raw, fromStore, value } = answer;
    return { ok: true, reading: readClass(value, classes, member), raw, fromStore };
  };
  return {
    name: `${client.model} behind an API`,
    id: `api:${contentHash({
      sample: question({ file: '', line: 0, text: '' }).body,
      key: client.key(question({ file: '', line: 0, text: '' })),
      classes,
    })}`,
    signals: [...signalsOf(capabilities), 'logits'],
    classes,
    batch: 32 * client.pace.max,
    client,
    failed,
    question,
    label,
    async logits(examples) {
      const out = new Float32Array(examples.length * classes.length);
      let row = 0;
      const lost: string[] = [];
      for await (const answer of mapOrdered(examples, 4 * client.pace.max, label)) {
        if (!answer.ok && !answer.refused) lost.push(answer.problem);
        out.set(logitsOf(answer.ok ? answer.reading : undefined, classes.length), classes.length * row++);
      }
      if (lost.length > 0)
        throw new DecantError('teacher', `${lost.length} of ${examples.length} texts got no answer`, {
          at: 'teacher',
          seen: lost[0],
          fix: 'go on later: what was answered is kept and is not asked again',
        });
      return ndarray(out, [examples.length, classes.length]) as NDArray;
    },
    close: async () => undefined,
  };
}

/** Log-probabilities `[classes]` of a reading; equal ones where there is none. */
export function logitsOf(reading: ClassReading | undefined, classes: number): Float32Array {
  if (!reading || (reading.label === undefined && !reading.p))
    return new Float32Array(classes).fill(-Math.log(classes));
  const p =
    reading.p ??
    Float64Array.from({ length: classes }, (_, c) =>
      c === reading.label ? LABEL_PROBABILITY : (1 - LABEL_PROBABILITY) / (classes - 1),
    );
  return Float32Array.from(p, (x) => Math.log(Math.max(FLOOR, x)));
}

function textOf(example: Example): string {
  const key = exampleKey(example) as { text?: string; pair?: string };
  const text = key.text ?? '';
  return key.pair === undefined ? text : `${text}\n${key.pair}`;
}
