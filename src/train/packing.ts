import { packSequences } from '../data/packing.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import type { BatchSource } from './batches.ts';
import type { SignalColumns } from './job.ts';
import type { TokenRows } from './language.ts';

/**
 * Rows of tokens laid side by side into sequences of `length`, by best fit, so that hardly anything is computed for
 * padding. `segment_ids` keep attention inside each row, `position_ids` begin anew with it: every row gets the logits that
 * it would get alone. The teacher's columns `[rows, width, ...]` are laid out in the same way.
 */
export function packedSource(rows: TokenRows, length: number, signals?: SignalColumns): BatchSource {
  // documents of row numbers: a packed place then says which row and which of its positions it holds
  const packs = packSequences(
    rows.lengths.map((n, row) => ({ ids: new Array<number>(n).fill(row) })),
    { length, padId: -1 },
  );
  return {
    size: packs.length,
    async collate(chosen) {
      const shape = [chosen.length, length];
      const places = chosen.length * length;
      const ids = new Int32Array(places);
      const segments = new Int32Array(places);
      const positions = new Int32Array(places);
      const labels = new Int32Array(places).fill(-100);
      const tokens = new Float32Array(places);
      const held = [...new Set(chosen.flatMap((p) => packs[p].ids.filter((row) => row >= 0)))];
      const slot = new Map(held.map((row, i) => [row, i]));
      /** Which row of `held`, and which of its positions, a place holds; -1 for padding. */
      const from = new Int32Array(places).fill(-1);
      chosen.forEach((p, b) => {
        const pack = packs[p];
        for (let x = 0; x < length; x++) {
          const row = pack.ids[x];
          if (row < 0) continue;
          const at = b * length + x;
          const t = pack.positions[x];
          ids[at] = rows.rows[row].ids[t];
          segments[at] = pack.segments[x];
          positions[at] = t;
          from[at] = slot.get(row)!;
          if (rows.rows[row].learned[t + 1]) {
            labels[at] = rows.rows[row].ids[t + 1];
            tokens[at] = 1;
          }
        }
      });
      const ones = ndarray(new Float32Array(chosen.length).fill(1), [chosen.length]);
      const columns = signals ? await signals(held) : {};
      return {
        'input/input_ids': ndarray(ids, shape),
        'input/segment_ids': ndarray(segments, shape),
        'input/position_ids': ndarray(positions, shape),
        labels: ndarray(labels, shape),
        'mask/examples': ones,
        'mask/labelled': ones,
        'mask/tokens': ndarray(tokens, shape),
        ...Object.fromEntries(
          Object.entries(columns).map(([name, a]) => [name, laidOut(a, from, positions, shape)]),
        ),
      };
    },
  };
}

/** Values `[rows, width, ...]` at the places of a packed batch; padding gets those of the first position. */
function laidOut(a: NDArray, from: Int32Array, positions: Int32Array, shape: readonly number[]): NDArray {
  const [, width, ...rest] = a.shape;
  const size = rest.reduce((x, y) => x * y, 1);
  const given = a.data as Float32Array;
  const out = a.dtype === 'int32' ? new Int32Array(from.length * size) : new Float32Array(from.length * size);
  from.forEach((row, at) => {
    const start = (Math.max(row, 0) * width + (row < 0 ? 0 : positions[at])) * size;
    out.set(given.subarray(start, start + size), at * size);
  });
  return ndarray(out, [...shape, ...rest]);
}
