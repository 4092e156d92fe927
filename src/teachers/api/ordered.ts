/**
 * Results of `work` in the order of the items, at most `window` begun and not yet taken. After a failure nothing more
 * is begun, and what was begun ends before the first error is thrown: no answer that is under way is abandoned.
 */
export async function* mapOrdered<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  window: number,
  work: (item: T, index: number) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  let failed: { error: unknown } | undefined;
  let index = 0;
  const begin = (item: T): void => {
    const result = work(item, index++);
    result.catch((error) => {
      failed ??= { error };
    });
    begun.push(result);
  };
  try {
    for await (const item of items) {
      if (failed) break;
      begin(item);
      if (begun.length >= window) yield await begun.shift()!;
    }
    while (begun.length > 0) yield await begun.shift()!;
  } finally {
    await Promise.allSettled(begun);
  }
  if (failed) throw failed.error;
}
