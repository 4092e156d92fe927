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
  /** 1 for real tokens, 0 for padding; one array per row, all of one length. */
  readonly mask: readonly (readonly number[])[];
}

export interface StepResult {
  /** Logits of each row's last position (`[batch, vocab]`), or of every position (`[batch, seq, vocab]`). */
  readonly logits: Float32Array;
  readonly vocab: number;
  readonly seq: number;
  readonly cache: Cache;
}

/** A decoder's ONNX graph with its cache. One session serves every batch size and length; nothing is recompiled. */
export interface DecoderSession {
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
  threads?: number;
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
  const int64 = (rows: readonly (readonly number[])[]): Ort.Tensor => {
    const seq = rows[0].length;
    const data = new BigInt64Array(rows.length * seq);
    for (let r = 0; r < rows.length; r++)
      for (let t = 0; t < seq; t++) data[r * seq + t] = BigInt(rows[r][t]);
    return new ort.Tensor('int64', data, [rows.length, seq]);
  };

  return {
    async step(ids, { cache, mask, all = false } = {}) {
      const seq = ids[0]?.length ?? 0;
      if (seq === 0 || ids.some((r) => r.length !== seq)) {
        throw new DecantError('internal', 'a decoding step needs rows of one length, at least 1', {
          seen: ids.map((r) => r.length),
        });
      }
      const added = mask ?? ids.map((r) => r.map(() => 1));
      const whole = added.map((row, r) => [...(cache?.mask[r] ?? []), ...row]);
      const feeds: Record<string, Ort.Tensor> = { input_ids: int64(ids), attention_mask: int64(whole) };
      if (positions) {
        feeds.position_ids = int64(
          whole.map((row) => {
            let at = -1;
            return row.map((m) => Math.max(0, (at += m))).slice(-seq);
          }),
        );
      }
      (cache?.tensors ?? empty(ids.length)).forEach((t, i) => {
        feeds[pastNames[i]] = t;
      });
      const out = await session.run(feeds);
      const [batch, steps, vocab] = out.logits.dims;
      const data = out.logits.data as Float32Array;
      return {
        logits: all || steps === 1 ? data : lastPositions(data, batch, steps, vocab),
        vocab,
        seq: all ? steps : 1,
        cache: { tensors: presentNames.map((n) => out[n]), mask: whole },
      };
    },
    pick(cache, rows) {
      const unchanged = rows.length === cache.mask.length && rows.every((r, i) => r === i);
      if (unchanged) return cache;
      return {
        mask: rows.map((r) => cache.mask[r]),
        tensors: cache.tensors.map((t) => {
          const size = t.data.length / t.dims[0];
          const data = new Float32Array(rows.length * size);
          rows.forEach((r, i) => {
            data.set((t.data as Float32Array).subarray(r * size, (r + 1) * size), i * size);
          });
          return new ort.Tensor('float32', data, [rows.length, ...t.dims.slice(1)]);
        }),
      };
    },
    close: () => session.release(),
  };
}

function lastPositions(data: Float32Array, batch: number, steps: number, vocab: number): Float32Array {
  const out = new Float32Array(batch * vocab);
  for (let r = 0; r < batch; r++)
    out.set(data.subarray((r * steps + steps - 1) * vocab, (r + 1) * steps * vocab), r * vocab);
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
