import { padIdOf } from '../data/batching.ts';
import { joinMasked } from '../data/prompt-response.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import type { BatchSource } from './batches.ts';
import { beginToken, paddedRows, type TokenRow, type TokenRows } from './language.ts';
import { preferenceColumn } from './policy.ts';

/** Prompts with their responses, as tokens. */
export interface PreferenceRows {
  readonly size: number;
  /** Most responses of a row. */
  readonly width: number;
  /** Every response after its prompt; the rows of all examples in one list. */
  readonly flat: TokenRows;
  /** Of each example: places in `flat`. */
  readonly lists: readonly (readonly number[])[];
  /** Of each example: how good its responses are. */
  readonly scores: readonly (readonly number[])[];
  /** Of each example: the place of the next example's response after this one's prompt. */
  readonly mismatched?: readonly number[];
  readonly examples: readonly Example[];
}

/** Responses of an example with what is known of their quality; better ones first in pairs. */
export function responsesOfExample(e: Example): { responses: string[]; scores: number[] } {
  if (e.chosen !== undefined && e.rejected !== undefined)
    return { responses: [e.chosen, e.rejected], scores: [1, 0] };
  if (e.responses && e.scores) return { responses: e.responses, scores: e.scores };
  if (e.response !== undefined && e.good !== undefined)
    return { responses: [e.response], scores: [e.good ? 1 : 0] };
  return { responses: [], scores: [] };
}

/** The responses worth imitating: chosen, best by score, good, or the only one of a row without ratings. */
export function goodResponse(e: Example): string | undefined {
  if (e.response !== undefined && e.good === undefined && e.chosen === undefined) return e.response;
  const { responses, scores } = responsesOfExample(e);
  if (responses.length === 1) return scores[0] > 0 ? responses[0] : undefined;
  return responses[scores.indexOf(Math.max(...scores))];
}

/**
 * Encodes examples. Of a prompt that is too long the beginning is cut, equally for all its responses, so that they are
 * compared after the same tokens; then responses lose their end. Examples without responses are left out.
 */
export function preferenceRows(
  examples: readonly Example[],
  o: { tokenizer: Tokenizer; maxLength: number; buckets?: readonly number[]; mismatched?: boolean },
): PreferenceRows {
  const { tokenizer, maxLength } = o;
  const eos = tokenizer.special.eos;
  const before = tokenizer.around.before;
  const encode = (text: string): number[] => tokenizer.encode(text, { addSpecial: false });
  const kept = examples
    .map((example) => ({ example, ...responsesOfExample(example) }))
    .filter((e) => e.responses.length > 0)
    .map((e) => ({
      ...e,
      prompt: encode(e.example.prompt ?? ''),
      answers: e.responses.map((r) => [...encode(r), ...(eos === undefined ? [] : [eos])]),
    }));
  const flat: TokenRow[] = [];
  const push = (
    prompt: readonly number[],
    answer: readonly number[],
    room: number,
    example: number,
  ): number => {
    // something must stand before the first learned token
    const begin = before.length > 0 ? before : prompt.length > 0 && room > 0 ? [] : [beginToken(tokenizer)];
    const cut = room > 0 ? prompt.slice(-room) : [];
    const { ids, mask } = joinMasked(begin, cut, answer, { maxLength: maxLength + 1 });
    return flat.push({ ids, learned: mask, example }) - 1;
  };
  const lists: number[][] = [];
  const mismatched: number[] = [];
  kept.forEach((e, i) => {
    const other = kept[(i + 1) % kept.length].answers[0];
    const longest = Math.max(...[...e.answers, ...(o.mismatched ? [other] : [])].map((a) => a.length));
    const room = Math.min(e.prompt.length, Math.max(1, maxLength + 1 - before.length - longest));
    lists.push(e.answers.map((a) => push(e.prompt, a, room, i)));
    if (o.mismatched) mismatched.push(push(e.prompt, other, room, i));
  });
  return {
    size: kept.length,
    width: Math.max(0, ...lists.map((l) => l.length)),
    flat: paddedRows(flat, {
      padId: tokenizer.special.pad ?? padIdOf(tokenizer),
      maxLength,
      buckets: o.buckets,
    }),
    lists,
    scores: kept.map((e) => e.scores),
    mismatched: o.mismatched ? mismatched : undefined,
    examples: kept.map((e) => e.example),
  };
}

/** Log-probabilities of the learned tokens of a row of `flat`, in order. */
export type TokenLogps = (row: number) => Float64Array;

/** Batches of examples with their responses: the policy's inputs, scores, masks, and what reference and teacher say. */
export function preferenceSource(
  rows: PreferenceRows,
  from: { reference?: TokenLogps; teacher?: TokenLogps } = {},
): BatchSource {
  const { width, lists, flat } = rows;
  const ragged = lists.some((l) => l.length !== width);
  return {
    size: rows.size,
    lengths: lists.map((l) => Math.max(...l.map((i) => flat.lengths[i]))),
    async collate(chosen) {
      const n = chosen.length;
      // an absent response is the first one again, masked
      const places = chosen.flatMap((i) =>
        Array.from({ length: width }, (_, k) => lists[i][k] ?? lists[i][0]),
      );
      const there = chosen.flatMap((i) =>
        Array.from({ length: width }, (_, k) => (k < lists[i].length ? 1 : 0)),
      );
      const inputs = rows.mismatched
        ? chosen.flatMap((i, r) => [...places.slice(r * width, (r + 1) * width), rows.mismatched![i]])
        : places;
      const per = rows.mismatched ? width + 1 : width;
      const { input_ids, attention_mask } = flat.inputs(inputs);
      const response = flat.labels(inputs);
      const seq = response.shape[1];
      const shaped = (a: NDArray): NDArray => ndarray(a.data as Int32Array, [n, per, seq]);
      const numbers = (values: Iterable<number>, shape: number[]): NDArray =>
        ndarray(Float32Array.from(values), shape);
      const marks = new Float32Array(n * width * seq);
      const spread = (logps: TokenLogps): Float32Array => {
        const out = new Float32Array(n * width * seq);
        places.forEach((place, p) => {
          const values = logps(place);
          let k = 0;
          flat.rows[place].learned.forEach((l, t) => {
            if (l) out[p * seq + t - 1] = values[k++];
          });
        });
        return out;
      };
      places.forEach((place, p) => {
        flat.rows[place].learned.forEach((l, t) => {
          if (l) marks[p * seq + t - 1] = there[p];
        });
      });
      const total = (logps: TokenLogps, at: readonly number[]): Float64Array =>
        Float64Array.from(at, (i) => logps(i).reduce((a, b) => a + b, 0));
      const weights = numbers(
        chosen.map((i) => rows.examples[i].weight ?? 1),
        [n],
      );
      return {
        'input/input_ids': shaped(input_ids),
        'input/attention_mask': shaped(attention_mask),
        'input/response': shaped(response),
        [preferenceColumn.scores]: numbers(
          chosen.flatMap((i) => Array.from({ length: width }, (_, k) => rows.scores[i][k] ?? 0)),
          [n, width],
        ),
        ...(ragged ? { [preferenceColumn.present]: numbers(there, [n, width]) } : {}),
        'mask/examples': weights,
        'mask/labelled': weights,
        'mask/tokens': ndarray(marks, [n, width, seq]),
        ...(from.reference
          ? {
              [preferenceColumn.reference]: numbers(total(from.reference, places), [n, width]),
              [preferenceColumn.referenceTokens]: ndarray(spread(from.reference), [n, width, seq]),
              ...(rows.mismatched
                ? {
                    [preferenceColumn.mismatchedReference]: numbers(
                      total(
                        from.reference,
                        chosen.map((i) => rows.mismatched![i]),
                      ),
                      [n],
                    ),
                  }
                : {}),
            }
          : {}),
        ...(from.teacher ? { 'teacher/logp': numbers(total(from.teacher, places), [n, width]) } : {}),
      };
    },
  };
}
