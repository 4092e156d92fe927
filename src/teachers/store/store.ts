import { closeSync, existsSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DecantError } from '../../util/errors.ts';
import { decodeSignal, encodeSignal, FORMS, type FormName, formName } from './encode.ts';
import {
  claimedLength,
  formAt,
  KEY_AT,
  keyAt,
  listSegments,
  RECORD_HEAD,
  recordIsWhole,
  segmentName,
  sourceAt,
} from './format.ts';
import { keyToHex, type SignalSource, type SourceId, signalKey, sourceId } from './key.ts';
import { type Damage, type ScannedRecord, scanSegment } from './scan.ts';
import type { Encoding, Signal } from './signal.ts';
import { type Place, type PlaceTable, placeTable } from './table.ts';
import { openAppender, type SegmentAppender } from './writer.ts';

export interface StoreOptions {
  /** Take the writer's lock and allow `put`; default false: any number of readers may be open beside one writer. */
  write?: boolean;
  /** A segment that reaches this size is closed and a new one begun; default 256 MiB. */
  segmentBytes?: number;
}

/** A record of the store; ask for its key and signal before asking for the next record. */
export interface StoredRecord {
  /** 32 hexadecimal digits. */
  readonly key: string;
  readonly form: FormName;
  readonly source: SignalSource | undefined;
  readonly bytes: number;
  /** Decodes the payload. */
  read(): Signal;
}

/** Signals of one source: a teacher with its settings. */
export interface SignalShelf {
  readonly source: SignalSource;
  key(input: unknown): string;
  has(input: unknown): boolean;
  get(input: unknown): Signal | undefined;
  /** Resolves when the signal is on the disk; puts made together share one fsync. */
  put(input: unknown, signal: Signal, encoding?: Encoding): Promise<void>;
}

export interface SignalStore {
  readonly folder: string;
  /** Signals that can be read. */
  readonly size: number;
  /** Unreadable ranges found when the store was opened; the records they held must be asked for again. */
  readonly damage: readonly Damage[];
  /** Bytes of a torn record that the writer cut from the end. */
  readonly tornBytes: number;
  shelf(source: SignalSource): SignalShelf;
  hasKey(key: Uint8Array): boolean;
  getKey(key: Uint8Array): Signal | undefined;
  putKey(source: SourceId, key: Uint8Array, signal: Signal, encoding?: Encoding): Promise<void>;
  /** Live records in the order they were written, in bounded memory. */
  records(): Generator<StoredRecord>;
  stats(): StoreStats;
  /** Resolves when everything put so far is on the disk. */
  flush(): Promise<void>;
  /** Sees what another process has written or compacted meanwhile. */
  refresh(): void;
  /** Rewrites live records (those `keep` accepts) into new segments and removes the old ones. */
  compact(keep?: (record: StoredRecord) => boolean): Promise<{ before: number; after: number }>;
  close(): Promise<void>;
}

export interface StoreStats {
  records: number;
  /** Bytes of all segments, and of live records only. */
  bytes: number;
  liveBytes: number;
  segments: number;
  bySource: { source: SignalSource | undefined; form: FormName; records: number; bytes: number }[];
}

/** Opens (and, for writing, creates) the signal store in a folder; the index is rebuilt by reading its segments. */
export function openSignalStore(folder: string, options: StoreOptions = {}): SignalStore {
  if (options.write) mkdirSync(folder, { recursive: true });
  else if (!existsSync(folder))
    throw new DecantError('data', 'there is no signal store', { at: folder, fix: 'run the teacher first' });
  const state = {
    table: placeTable() as PlaceTable,
    sources: new Map<number, SignalSource>(),
    /** Segment number to bytes read so far. */
    seen: new Map<number, number>(),
    /** Segments read to their end that get no more records. */
    sealed: new Set<number>(),
    damage: [] as Damage[],
    descriptors: new Map<number, number>(),
    tornBytes: 0,
    closed: false,
  };
  let appender: SegmentAppender | undefined;
  if (options.write) appender = openAppender(folder, options.segmentBytes ?? 256 << 20);
  try {
    load();
  } catch (error) {
    appender?.abandon();
    throw error;
  }

  function load(): void {
    for (let tries = 0; ; tries++) {
      try {
        loadSegments();
        return;
      } catch (error) {
        // a writer removed a segment it has compacted: read the new ones instead
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 5) throw error;
        reset();
      }
    }
  }

  function reset(): void {
    for (const fd of state.descriptors.values()) closeSync(fd);
    state.descriptors.clear();
    state.table = placeTable();
    state.seen.clear();
    state.sealed.clear();
    state.damage.length = 0;
  }

  function loadSegments(): void {
    const segments = listSegments(folder);
    const last = segments[segments.length - 1];
    for (const segment of segments) {
      if (state.sealed.has(segment)) continue;
      const scan = scanSegment(join(folder, segmentName(segment)), segment, state.seen.get(segment) ?? 0);
      let next = scan.next();
      for (; !next.done; next = scan.next()) {
        const { bytes, at, offset, length } = next.value;
        const form = formAt(bytes, at);
        const source = sourceAt(bytes, at);
        if (form === FORMS.source)
          state.sources.set(source, JSON.parse(payloadOf(next.value).toString('utf8')));
        else state.table.setAt(bytes, at + KEY_AT, { segment, offset, length, form, source });
      }
      const { goodEnd, fileEnd, damage } = next.value;
      state.damage.push(...damage);
      state.seen.set(segment, goodEnd);
      if (segment === last && appender) {
        state.tornBytes = fileEnd - goodEnd;
        appender.resume(segment, goodEnd);
      } else if (segment !== last) {
        state.sealed.add(segment);
        if (fileEnd > goodEnd) state.damage.push({ segment, from: goodEnd, to: fileEnd });
      }
    }
    if (appender && segments.length === 0) appender.resume(0, 0);
  }

  const descriptor = (segment: number): number | undefined => {
    const known = state.descriptors.get(segment);
    if (known !== undefined) return known;
    try {
      const fd = openSync(join(folder, segmentName(segment)), 'r');
      state.descriptors.set(segment, fd);
      return fd;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };

  const readPlace = (place: Place): Buffer | undefined => {
    appender?.ensureWritten(place.segment, place.offset);
    const fd = descriptor(place.segment);
    if (fd === undefined) return undefined;
    const record = Buffer.allocUnsafe(RECORD_HEAD + place.length);
    for (let done = 0; done < record.length; ) {
      const n = readSync(fd, record, done, record.length - done, place.offset + done);
      if (n === 0) return undefined;
      done += n;
    }
    if (claimedLength(record, 0) !== place.length) return undefined;
    return recordIsWhole(record, 0, place.length, place.segment, place.offset)
      ? record.subarray(RECORD_HEAD)
      : undefined;
  };

  const needWriter = (): SegmentAppender => {
    if (!appender || state.closed)
      throw new DecantError(
        'internal',
        `the signal store is ${state.closed ? 'closed' : 'open for reading only'}`,
        {
          at: folder,
          fix: 'open it with { write: true }',
        },
      );
    return appender;
  };

  const append = (form: number, source: number, key: Uint8Array, payload: Uint8Array): Promise<void> => {
    const { place, durable } = needWriter().append({ form, source, key }, payload);
    if (form !== FORMS.source) state.table.set(key, { ...place, length: payload.length, form, source });
    return durable;
  };

  /** Records that are the newest of their key. */
  function* live(segments: readonly number[]): Generator<ScannedRecord> {
    for (const segment of segments)
      for (const r of scanSegment(join(folder, segmentName(segment)), segment)) {
        if (formAt(r.bytes, r.at) === FORMS.source) continue;
        const place = state.table.getAt(r.bytes, r.at + KEY_AT);
        if (place?.segment === segment && place.offset === r.offset) yield r;
      }
  }

  const describe = (r: ScannedRecord): StoredRecord => ({
    get key() {
      return keyToHex(keyAt(r.bytes, r.at));
    },
    form: formName(formAt(r.bytes, r.at)) ?? (`form ${formAt(r.bytes, r.at)}` as FormName),
    source: state.sources.get(sourceAt(r.bytes, r.at)),
    bytes: RECORD_HEAD + r.length,
    read: () => decodeSignal(formAt(r.bytes, r.at), payloadOf(r)),
  });

  const store: SignalStore = {
    folder,
    get size() {
      return state.table.size;
    },
    get damage() {
      return state.damage;
    },
    get tornBytes() {
      return state.tornBytes;
    },
    shelf(source) {
      const id = sourceId(source);
      return {
        source,
        key: (input) => keyToHex(signalKey(id, input)),
        has: (input) => state.table.get(signalKey(id, input)) !== undefined,
        get: (input) => store.getKey(signalKey(id, input)),
        put: (input, signal, encoding) => store.putKey(id, signalKey(id, input), signal, encoding),
      };
    },
    hasKey: (key) => state.table.get(key) !== undefined,
    getKey(key) {
      let place = state.table.get(key);
      let payload = place && readPlace(place);
      if (place && !payload && !appender) {
        store.refresh(); // the writer may have moved it
        place = state.table.get(key);
        payload = place && readPlace(place);
      }
      return place && payload && decodeSignal(place.form, payload);
    },
    putKey(source, key, signal, encoding) {
      const { form, payload } = encodeSignal(signal, encoding);
      if (!state.sources.has(source.tag)) {
        state.sources.set(source.tag, JSON.parse(source.json));
        append(FORMS.source, source.tag, source.hash.subarray(0, 16), Buffer.from(source.json, 'utf8')).catch(
          () => undefined, // the signal's own promise reports the failure
        );
      }
      return append(form, source.tag, key, payload);
    },
    *records() {
      appender?.writePending();
      for (const r of live(listSegments(folder))) yield describe(r);
    },
    stats: () => storeStats(state.table, state.sources, state.seen, appender),
    flush: async () => appender?.flush(),
    refresh() {
      if (appender) return; // the only writer knows everything
      const now = new Set(listSegments(folder));
      if ([...state.seen.keys()].some((segment) => !now.has(segment))) reset();
      load();
    },
    async compact(keep) {
      const writer = needWriter();
      await writer.flush();
      const before = store.stats().bytes;
      const old = listSegments(folder);
      writer.roll();
      const kept = placeTable();
      const written = new Set<number>();
      for (const r of live(old)) {
        if (keep && !keep(describe(r))) continue;
        const source = sourceAt(r.bytes, r.at);
        const form = formAt(r.bytes, r.at);
        const description = state.sources.get(source);
        if (description && !written.has(source)) {
          written.add(source);
          const id = sourceId(description);
          writer
            .append(
              { form: FORMS.source, source, key: id.hash.subarray(0, 16) },
              Buffer.from(id.json, 'utf8'),
            )
            .durable.catch(() => undefined);
        }
        const key = keyAt(r.bytes, r.at); // append copies key and payload
        const moved = writer.append({ form, source, key }, payloadOf(r));
        moved.durable.catch(() => undefined); // flush, below, reports a failure
        kept.set(key, { ...moved.place, length: r.length, form, source });
      }
      state.table = kept; // before anything is awaited, so that no put gets lost
      state.damage.length = 0;
      for (const source of [...state.sources.keys()]) if (!written.has(source)) state.sources.delete(source);
      await writer.flush(); // the copies are on the disk before the originals go
      for (const segment of old) {
        const fd = state.descriptors.get(segment);
        if (fd !== undefined) closeSync(fd);
        state.descriptors.delete(segment);
        state.seen.delete(segment);
        writer.forget(segment);
        rmSync(join(folder, segmentName(segment)), { force: true });
      }
      return { before, after: store.stats().bytes };
    },
    async close() {
      if (state.closed) return;
      state.closed = true;
      try {
        await appender?.close();
      } finally {
        for (const fd of state.descriptors.values()) closeSync(fd);
        state.descriptors.clear();
      }
    },
  };
  return store;
}

const payloadOf = (r: ScannedRecord): Buffer =>
  r.bytes.subarray(r.at + RECORD_HEAD, r.at + RECORD_HEAD + r.length);

function storeStats(
  table: PlaceTable,
  sources: Map<number, SignalSource>,
  seen: Map<number, number>,
  appender: SegmentAppender | undefined,
): StoreStats {
  const groups = new Map<string, StoreStats['bySource'][number]>();
  let liveBytes = 0;
  for (const [, place] of table.entries()) {
    const id = `${place.source}/${place.form}`;
    const group = groups.get(id) ?? {
      source: sources.get(place.source),
      form: formName(place.form)!,
      records: 0,
      bytes: 0,
    };
    group.records++;
    group.bytes += RECORD_HEAD + place.length;
    liveBytes += RECORD_HEAD + place.length;
    groups.set(id, group);
  }
  const ends = new Map(seen);
  for (const [segment, end] of appender?.ends() ?? []) ends.set(segment, end);
  return {
    records: table.size,
    bytes: [...ends.values()].reduce((a, b) => a + b, 0),
    liveBytes,
    segments: ends.size,
    bySource: [...groups.values()].sort((a, b) => b.bytes - a.bytes),
  };
}
