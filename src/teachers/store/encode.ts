import { DecantError } from '../../util/errors.ts';
import {
  decodeHidden,
  decodeLogits16,
  decodeLogits32,
  encodeHidden,
  encodeLogits16,
  encodeLogits32,
} from './dense.ts';
import { decodePacked, encodePacked } from './packed.ts';
import { bytesOf, payloadView } from './payload.ts';
import type { Encoding, ScoreSignal, Signal, TextSignal } from './signal.ts';
import { decodeTopK, encodeTopK } from './top-k.ts';

/** How a payload is written; the number stands in the record's head and never changes its meaning. */
export const FORMS = {
  logits32: 1,
  logits16: 2,
  topk32: 3,
  topk16: 4,
  packed: 5,
  text: 6,
  hidden: 7,
  score: 8,
  /** Not a signal: the description of a source. */
  source: 127,
} as const;

export type FormName = keyof typeof FORMS;

export const formName = (form: number): FormName | undefined =>
  (Object.keys(FORMS) as FormName[]).find((name) => FORMS[name] === form);

/** Bytes of a signal in the form its encoding asks for. */
export function encodeSignal(signal: Signal, encoding: Encoding = {}): { form: number; payload: Uint8Array } {
  const half = encoding.precision === 'float16';
  switch (signal.form) {
    case 'logits':
      return half
        ? { form: FORMS.logits16, payload: encodeLogits16(signal) }
        : { form: FORMS.logits32, payload: encodeLogits32(signal) };
    case 'topk':
      if (encoding.packed) {
        const options = encoding.packed === true ? {} : encoding.packed;
        return { form: FORMS.packed, payload: encodePacked(signal, options) };
      }
      return {
        form: half ? FORMS.topk16 : FORMS.topk32,
        payload: encodeTopK(signal, half ? 'float16' : 'float32'),
      };
    case 'text':
      return { form: FORMS.text, payload: encodeText(signal) };
    case 'hidden':
      return { form: FORMS.hidden, payload: encodeHidden(signal, encoding.precision) };
    case 'score':
      return { form: FORMS.score, payload: encodeScore(signal) };
  }
}

/** The signal that a payload of the given form holds. */
export function decodeSignal(form: number, payload: Uint8Array): Signal {
  switch (form) {
    case FORMS.logits32:
      return decodeLogits32(payload);
    case FORMS.logits16:
      return decodeLogits16(payload);
    case FORMS.topk32:
    case FORMS.topk16:
      return decodeTopK(payload);
    case FORMS.packed:
      return decodePacked(payload);
    case FORMS.text:
      return decodeText(payload);
    case FORMS.hidden:
      return decodeHidden(payload);
    case FORMS.score:
      return decodeScore(payload);
    default:
      throw new DecantError('data', 'the signal store holds a form that this version cannot read', {
        seen: form,
        fix: 'update decant, or delete the store and ask the teacher again',
      });
  }
}

/** Length field of a text that UTF-8 cannot hold: the rest is JSON of text and meta. */
const NOT_UTF8 = 0xffff_ffff;

/** Text: length of the text in bytes u32, UTF-8 text, then the meta value as JSON (empty: none). */
function encodeText({ text, meta }: TextSignal): Uint8Array {
  const encoder = new TextEncoder();
  if (/\p{Surrogate}/u.test(text)) {
    // half a surrogate pair, as a model cut off in the middle of a sign may give it
    const mark = new Uint8Array(4);
    payloadView(mark).setUint32(0, NOT_UTF8, true);
    return bytesOf([mark, encoder.encode(JSON.stringify({ text, meta }))]);
  }
  const body = encoder.encode(text);
  const head = new Uint8Array(4);
  payloadView(head).setUint32(0, body.length, true);
  return bytesOf([head, body, encoder.encode(meta === undefined ? '' : JSON.stringify(meta))]);
}

function decodeText(payload: Uint8Array): TextSignal {
  const length = payloadView(payload).getUint32(0, true);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  if (length === NOT_UTF8) return { form: 'text', ...JSON.parse(decoder.decode(payload.subarray(4))) };
  const text = decoder.decode(payload.subarray(4, 4 + length));
  const meta = decoder.decode(payload.subarray(4 + length));
  return meta === '' ? { form: 'text', text } : { form: 'text', text, meta: JSON.parse(meta) };
}

/** Scores: float64 values, nothing else. */
function encodeScore({ values }: ScoreSignal): Uint8Array {
  const out = new Uint8Array(8 * values.length);
  const view = payloadView(out);
  for (let i = 0; i < values.length; i++) view.setFloat64(8 * i, values[i], true);
  return out;
}

function decodeScore(payload: Uint8Array): ScoreSignal {
  const view = payloadView(payload);
  return {
    form: 'score',
    values: Float64Array.from({ length: payload.length >> 3 }, (_, i) => view.getFloat64(8 * i, true)),
  };
}
