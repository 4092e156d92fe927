import { DecantError } from '../util/errors.ts';

/** A tokenized document; `mask[i]` is 1 where token i is to be learned (default: everywhere). */
export interface Sequence {
  ids: readonly number[];
  mask?: readonly number[];
}

/** Several documents in one row of fixed length. */
export interface PackedRow {
  ids: number[];
  mask: number[];
  /** Which document of the row a token belongs to, from 1; 0 is padding. Attention must not cross documents. */
  segments: number[];
  /** Position within the document, from 0. */
  positions: number[];
}

export interface PackOptions {
  length: number;
  /** Put after every document and learned like its other tokens. */
  eosId?: number;
  padId: number;
  /**
   * `whole`: documents are placed by best fit and never share tokens; longer ones are cut into several.
   * `stream`: all documents are joined and the stream is cut every `length` tokens.
   */
  mode?: 'whole' | 'stream';
  /** For `stream`: leave out the last row where it is not full. Default false (it is padded). */
  dropLast?: boolean;
}

/** Packs documents into rows of `length` tokens. Every token appears exactly once (but for `dropLast`). */
export function packSequences(documents: readonly Sequence[], options: PackOptions): PackedRow[] {
  if (!Number.isInteger(options.length) || options.length < 1) {
    throw new DecantError('usage', 'rows need a length', {
      at: 'length',
      seen: options.length,
      allowed: 'from 1',
    });
  }
  const closed = documents.filter((d) => d.ids.length > 0).map((d) => close(d, options.eosId));
  return options.mode === 'stream' ? packStream(closed, options) : packWhole(closed, options);
}

interface Closed {
  ids: number[];
  mask: number[];
}

function close(document: Sequence, eosId: number | undefined): Closed {
  const { ids, mask } = document;
  if (mask && mask.length !== ids.length) {
    throw new DecantError('data', 'a mask has another length than its ids', {
      seen: [mask.length, ids.length],
    });
  }
  const end = eosId === undefined ? [] : [eosId];
  const learned = mask ? [...mask] : ids.map(() => 1);
  // the end mark is learned with what stands before it: after a masked prompt alone it is not
  return { ids: [...ids, ...end], mask: [...learned, ...end.map(() => learned[learned.length - 1])] };
}

function packStream(documents: readonly Closed[], options: PackOptions): PackedRow[] {
  const rows: PackedRow[] = [];
  let row = emptyRow();
  for (const d of documents) {
    let segment = (row.segments.at(-1) ?? 0) + 1;
    for (let i = 0; i < d.ids.length; i++) {
      if (row.ids.length === options.length) {
        rows.push(row);
        row = emptyRow();
        segment = 1;
      }
      put(row, d.ids[i], d.mask[i], segment, i);
    }
  }
  if (row.ids.length === options.length) rows.push(row);
  else if (row.ids.length > 0 && !options.dropLast) rows.push(fill(row, options));
  return rows;
}

function packWhole(documents: readonly Closed[], options: PackOptions): PackedRow[] {
  const { length } = options;
  const pieces = documents.flatMap((d) =>
    Array.from({ length: Math.ceil(d.ids.length / length) }, (_, i) => ({
      ids: d.ids.slice(i * length, (i + 1) * length),
      mask: d.mask.slice(i * length, (i + 1) * length),
    })),
  );
  // best fit decreasing: the fullest row that still has room; rows by room left, ties by age
  const order = pieces.map((_, i) => i).sort((a, b) => pieces[b].ids.length - pieces[a].ids.length || a - b);
  const byRoom: number[][] = Array.from({ length: length + 1 }, () => []);
  const members: number[][] = [];
  for (const i of order) {
    const need = pieces[i].ids.length;
    let room = need;
    while (room <= length && byRoom[room].length === 0) room++;
    const row = room <= length ? byRoom[room].shift()! : members.push([]) - 1;
    members[row].push(i);
    byRoom[Math.min(room, length) - need].push(row);
  }
  return members.map((list) => {
    const row = emptyRow();
    list.forEach((p, s) => {
      for (let i = 0; i < pieces[p].ids.length; i++) put(row, pieces[p].ids[i], pieces[p].mask[i], s + 1, i);
    });
    return fill(row, options);
  });
}

const emptyRow = (): PackedRow => ({ ids: [], mask: [], segments: [], positions: [] });

function put(row: PackedRow, id: number, mask: number, segment: number, position: number): void {
  row.ids.push(id);
  row.mask.push(mask);
  row.segments.push(segment);
  row.positions.push(position);
}

function fill(row: PackedRow, options: PackOptions): PackedRow {
  while (row.ids.length < options.length) put(row, options.padId, 0, 0, 0);
  return row;
}

/**
 * Inputs and targets of next-token prediction, one shorter than the row. A target counts where it is learned and, in
 * packed rows, where it is not the first token of another document.
 */
export function nextTokenTargets(row: {
  ids: readonly number[];
  mask: readonly number[];
  segments?: readonly number[];
}): { inputs: number[]; targets: number[]; mask: number[] } {
  const { ids, mask, segments } = row;
  const crosses = (i: number): boolean => segments !== undefined && segments[i] !== segments[i + 1];
  return {
    inputs: ids.slice(0, -1),
    targets: ids.slice(1),
    mask: mask.slice(1).map((m, i) => (crosses(i) ? 0 : m)),
  };
}
