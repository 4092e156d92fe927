import PQueue from 'p-queue';

export interface Pace {
  /** Runs the work when a place is free and no pause is on. */
  run<T>(work: () => Promise<T>, priority?: number): Promise<T>;
  /** A request went well: one more place per `limit` of these. */
  faster(): void;
  /** The server refused a request that was begun at `begun`: half the places, once per round of requests. */
  slower(begun: number): void;
  /** Nothing is begun for so many milliseconds. */
  hold(ms: number): void;
  /** Places now. */
  readonly limit: number;
  readonly max: number;
}

/**
 * Concurrency that adapts to what the server bears: additive increase, multiplicative decrease (Chiu and Jain 1989, as
 * in TCP), between one request and `max`, beginning at `max`. Refusals of requests that were begun before the last
 * decrease do not count again: they tell about the old pace.
 */
export function createPace(max: number, now: () => number = () => performance.now()): Pace {
  const queue = new PQueue({ concurrency: max });
  let limit = max;
  let lastCut = Number.NEGATIVE_INFINITY;
  let heldUntil = 0;
  let timer: NodeJS.Timeout | undefined;
  const apply = (): void => {
    const places = Math.max(1, Math.floor(limit));
    if (queue.concurrency !== places) queue.concurrency = places;
  };
  const release = (): void => {
    timer = undefined;
    const left = heldUntil - now();
    if (left > 0.5) timer = setTimeout(release, Math.min(left, 60_000));
    else queue.start();
  };
  return {
    run: (work, priority = 0) => queue.add(work, { priority }),
    faster() {
      if (limit >= max) return;
      limit = Math.min(max, limit + 1 / limit);
      apply();
    },
    slower(begun) {
      if (begun < lastCut) return;
      lastCut = now();
      limit = Math.max(1, limit / 2);
      apply();
    },
    hold(ms) {
      if (ms <= 0) return;
      heldUntil = Math.max(heldUntil, now() + ms);
      queue.pause();
      if (timer === undefined) timer = setTimeout(release, Math.min(ms, 60_000));
    },
    get limit() {
      return queue.concurrency;
    },
    max,
  };
}
