import type * as Ort from 'onnxruntime-common';
import { DecantError } from '../util/errors.ts';

/** onnxruntime-node or onnxruntime-web: the same interface. */
export interface OrtModule {
  readonly InferenceSession: {
    create(bytes: Uint8Array, options?: Ort.InferenceSession.SessionOptions): Promise<Ort.InferenceSession>;
  };
  readonly Tensor: typeof Ort.Tensor;
}

/** Keys and values of the tokens seen so far, for a batch of rows. Immutable: every step makes a new one. */
export interface Cache {
  readonly tensors: readonly Ort.Tensor[];
  readonly batch: number;
  /** Tokens seen, padding included; the same for every row. */
  readonly length: number;
  /** `[batch, length]`: 1 for real tokens, 0 for padding. */
  readonly mask: BigInt64Array;
  /** Real tokens of each row: the position of its next one. */
  readonly counts: readonly number[];
}

export interface StepResult {
  /** Logits of each row's last position (`[batch, vocab]`), or of every position (`[batch, seq, vocab]`). */
  readonly logits: Float32Array;
  readonly vocab: number;
  readonly seq: number;
  /** `[batch, hidden]` (or `[batch, seq, hidden]`), if the graph has the output `hidden_states`. */
  readonly hidden?: Float32Array;
  readonly cache: Cache;
}

/** A decoder's ONNX graph with its cache. One session serves every batch size and length; nothing is recompiled. */
export interface DecoderSession {
  /** Most tokens of a row, prompt included (learned positions end there); undefined: no limit known. */
  readonly contextLength?: number;
  /** Whether steps give hidden states. */
  readonly hasHidden: boolean;
  /** Runs new tokens of each row after the cache. Rows of one call have equal lengths; pad on the left (`mask` 0). */
  step(
    ids: readonly (readonly number[])[],
    options?: { cache?: Cache; mask?: readonly (readonly number[])[]; all?: boolean },
  ): Promise<StepResult>;
  /** The cache of chosen rows, in the given order; rows may repeat (beams, shared prefixes). */
  pick(cache: Cache, rows: readonly number[]): Cache;
  close(): Promise<void>;
}

export interface SessionOptions {
  /** The model's longest context; answers end there with 'length'. */
  contextLength?: number;
  threads?: number;
  /** Threads wait by spinning: faster when nothing else runs, slower beside other sessions. Default false. */
  spin?: boolean;
}

/** Opens the bytes of a decoder that `decoderOnnx` (or another exporter with the same names) wrote. */
export async function openDecoderSession(
  ort: OrtModule,
  bytes: Uint8Array,
  options: SessionOptions = {},
): Promise<DecoderSession> {
  const session = await ort.InferenceSession.create(bytes, {
    logSeverityLevel: 3,
    ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
    extra: { session: { intra_op: { allow_spinning: options.spin ? '1' : '0' } } },
  });
  const pastNames = session.inputNames.filter((n) => n.startsWith('past_key_values.'));
  const presentNames = pastNames.map((n) => n.replace('past_key_values', 'present'));
  const missing = [
    ...['input_ids', 'attention_mask'].filter((n) => !session.inputNames.includes(n)),
    ...presentNames.filter((n) => !session.outputNames.includes(n)),
  ];
  if (missing.length > 0) {
    throw new DecantError('model', 'the ONNX file is no decoder with a cache', {
      seen: session.inputNames.join(', '),
      allowed: `also ${missing.join(', ')}`,
    });
  }
  const positions = session.inputNames.includes('position_ids');
  const [, kvHeads, , width] = shapeOf(session, pastNames[0]);
  const empty = (batch: number): Ort.Tensor[] =>
    pastNames.map(() => new ort.Tensor('float32', new Float32Array(0), [batch, kvHeads, 0, width]));
  const int64 = (data: BigInt64Array, dims: readonly number[]): Ort.Tensor =>
    new ort.Tensor('int64', data, dims);

  return {
    contextLength: options.contextLength,
    hasHidden: session.outputNames.includes('hidden_states'),
    async step(ids, { cache, mask, all = false } = {}) {
      const batch = ids.length;
      const seq = ids[0]?.length ?? 0;
      if (seq === 0 || ids.some((r) => r.length !== seq) || (cache && cache.batch !== batch)) {
        throw new DecantError('internal', 'a decoding step needs rows of one length, at least 1', {
          seen: ids.map((r) => r.length),
          allowed: cache ? `${cache.batch} rows` : undefined,
        });
      }
      const past = cache?.length ?? 0;
      const length = past + seq;
      const tokens = new BigInt64Array(batch * seq);
      const places = new BigInt64Array(batch * seq);
      const whole = new BigInt64Array(batch * length).fill(1n);
      const counts = ids.map((row, r) => {
        if (cache) whole.set(cache.mask.subarray(r * past, (r + 1) * past), r * length);
        let count = cache?.counts[r] ?? 0;
        for (let t = 0; t < seq; t++) {
          tokens[r * seq + t] = BigInt(row[t]);
          if (mask?.[r][t] === 0) whole[r * length + past + t] = 0n;
          else places[r * seq + t] = BigInt(count++);
        }
        return count;
      });
      const feeds: Record<string, Ort.Tensor> = {
        input_ids: int64(tokens, [batch, seq]),
        attention_mask: int64(whole, [batch, length]),
      };
      if (positions) feeds.position_ids = int64(places, [batch, seq]);
      (cache?.tensors ?? empty(batch)).forEach((t, i) => {
        feeds[pastNames[i]] = t;
      });
      const out = await session.run(feeds);
      const [, steps, vocab] = out.logits.dims;
      const chosen = (t: Ort.Tensor): Float32Array =>
        all || t.dims[1] === 1 ? (t.data as Float32Array) : lastPositions(t);
      return {
        logits: chosen(out.logits),
        vocab,
        seq: all ? steps : 1,
        ...(out.hidden_states ? { hidden: chosen(out.hidden_states) } : {}),
        cache: { tensors: presentNames.map((n) => out[n]), batch, length, mask: whole, counts },
      };
    },
    pick(cache, rows) {
      if (rows.length === cache.batch && rows.every((r, i) => r === i)) return cache;
      return {
        batch: rows.length,
        length: cache.length,
        mask: chooseRows(cache.mask, cache.length, rows),
        counts: rows.map((r) => cache.counts[r]),
        tensors: cache.tensors.map((t) => {
          const [batch, ...rest] = t.dims;
          const data = chooseRows(t.data as Float32Array, t.data.length / batch, rows);
          return new ort.Tensor('float32', data, [rows.length, ...rest]);
        }),
      };
    },
    close: () => session.release(),
  };
}

function chooseRows<A extends Float32Array | BigInt64Array>(
  from: A,
  size: number,
  rows: readonly number[],
): A {
  const out = new (from.constructor as new (n: number) => A)(rows.length * size);
  rows.forEach((r, i) => {
    out.set(from.subarray(r * size, (r + 1) * size) as never, i * size);
  });
  return out;
}

function lastPositions(t: Ort.Tensor): Float32Array {
  const [batch, steps, width] = t.dims;
  const data = t.data as Float32Array;
  const out = new Float32Array(batch * width);
  for (let r = 0; r < batch; r++)
    out.set(data.subarray((r * steps + steps - 1) * width, (r + 1) * steps * width), r * width);
  return out;
}

function shapeOf(session: Ort.InferenceSession, name: string): number[] {
  const meta = session.inputMetadata.find((m) => m.name === name);
  const shape = meta && 'shape' in meta ? (meta.shape as (number | string)[]) : [];
  const known = shape.map(Number);
  if (shape.length !== 4 || !Number.isInteger(known[1]) || !Number.isInteger(known[3])) {
    throw new DecantError('model', 'the cache of the decoder has no fixed heads and width', {
      at: name,
      seen: shape.join(', '),
    });
  }
  return known;
}
