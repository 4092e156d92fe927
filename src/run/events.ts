import { type JsonlJournal, openJsonl, readJsonl } from '../util/node/jsonl.ts';

/** One thing that happened in a run; `kind` says what, the rest belongs to the kind. */
export interface RunEvent {
  /** Number in the file, from 1, over all sessions of the run. */
  seq: number;
  /** ISO 8601, UTC. */
  time: string;
  kind: string;
  [detail: string]: unknown;
}

/** A point of the curves: the terms of one training step, or the metrics of one evaluation. */
export interface MetricRow {
  /** Which training: teacher, student, distilled … */
  arm: string;
  seed: number | string;
  /** Finished updates. */
  step: number;
  /** `train` or the name of the evaluated split. */
  split: string;
  values: Readonly<Record<string, number>>;
  time?: string;
}

export interface RunJournal {
  event(kind: string, details?: Readonly<Record<string, unknown>>): void;
  metric(row: MetricRow): void;
  /** Forces everything to the disk, as before a checkpoint is called finished. */
  sync(): void;
  close(): void;
}

/** Opens `events.jsonl` and `metrics.jsonl` for appending; lines torn by a killed process are cut and noted. */
export function openRunJournal(paths: { events: string; metrics: string }): RunJournal {
  let seq = readJsonl<RunEvent>(paths.events).values.reduce((max, e) => Math.max(max, e.seq ?? 0), 0);
  const events: JsonlJournal<RunEvent> = openJsonl(paths.events);
  const metrics: JsonlJournal<MetricRow> = openJsonl(paths.metrics);
  const journal: RunJournal = {
    event(kind, details = {}) {
      events.append({ ...details, seq: ++seq, time: new Date().toISOString(), kind });
    },
    metric: (row) => metrics.append({ ...row, time: new Date().toISOString() }),
    sync() {
      events.sync();
      metrics.sync();
    },
    close() {
      events.close();
      metrics.close();
    },
  };
  const torn = events.recovered.tornBytes + metrics.recovered.tornBytes;
  if (torn > 0) journal.event('recovered', { tornBytes: torn });
  return journal;
}

export const readEvents = (path: string): RunEvent[] => readJsonl<RunEvent>(path).values;

/**
 * The rows of a metrics file. A resumed training repeats the steps after its checkpoint; of each (arm, seed, split,
 * step) the last row counts, in the order of first appearance.
 */
export function readMetrics(path: string): MetricRow[] {
  const rows = new Map<string, MetricRow>();
  for (const row of readJsonl<MetricRow>(path).values)
    rows.set(JSON.stringify([row.arm, row.seed, row.split, row.step]), row);
  return [...rows.values()];
}
