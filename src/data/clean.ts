import { inputText } from './describe.ts';
import { fingerprintBytes } from './fingerprint.ts';
import { createNearIndex, type NearIndex } from './minhash.ts';
import type { ProblemLog } from './problems.ts';
import { excerpt } from './problems.ts';
import type { Example, ProblemKind } from './types.ts';

/** What is done about rows that repeat each other. */
export interface DuplicatePolicy {
  /** Same input and same answer within a training split. */
  exact: 'remove' | 'report';
  near: {
    /** Almost the same text within a training split. */
    action: 'remove' | 'report' | 'off';
    /** Jaccard similarity of character 5-grams from which two texts are near-duplicates. */
    threshold: number;
  };
  /** Training rows that also stand (exactly or nearly) in the validation or test split. */
  leaks: 'remove' | 'report' | 'off';
}

/** The input as one string: the text, or a fingerprint of pixels or features. */
export function inputKey(e: Example): string {
  if (e.image) return `image:${fingerprintBytes(e.image)}`;
  if (e.features)
    return `features:${fingerprintBytes(new Uint8Array(e.features.buffer, e.features.byteOffset, e.features.byteLength))}`;
  return inputText(e);
}

const isText = (e: Example): boolean => !e.image && !e.features;

const problem = (kind: ProblemKind, e: Example, message: string, split: string, kept: boolean) => ({
  kind,
  file: e.file,
  line: e.line,
  message,
  split,
  kept,
  ...(isText(e) ? { raw: excerpt(inputText(e)) } : {}),
});

const where = (e: Example): string => `${e.file}:${e.line}`;

/** Rows whose input stands elsewhere in the split with another label: all of them are put aside (or only noted). */
export function withoutContradictions(
  items: Example[],
  split: string,
  remove: boolean,
  log: ProblemLog,
  classes: readonly string[] = [],
): Example[] {
  const named = ({ label }: Example): string => JSON.stringify(classes[label!] ?? label);
  const first = new Map<string, Example>();
  const clashing = new Map<string, Example>();
  for (const e of items) {
    if (e.label === undefined || e.label < 0) continue;
    const key = inputKey(e);
    const other = first.get(key);
    if (!other) first.set(key, e);
    else if (other.label !== e.label) clashing.set(key, other);
  }
  if (clashing.size === 0) return items;
  return items.filter((e) => {
    const other = e.label === undefined || e.label < 0 ? undefined : clashing.get(inputKey(e));
    if (!other) return true;
    log.add(
      problem(
        'contradiction',
        e,
        `class ${named(e)} here, another class elsewhere (first seen at ${where(other)}, class ${named(other)})`,
        split,
        !remove,
      ),
    );
    return !remove;
  });
}

/** Exact and near duplicates within one split; the first of each stays. */
export function withoutDuplicates(
  items: Example[],
  split: string,
  policy: DuplicatePolicy,
  log: ProblemLog,
): Example[] {
  const seen = new Map<string, Example>();
  const distinct = items.filter((e) => {
    const input = inputKey(e);
    const first = seen.get(input);
    if (!first) {
      seen.set(input, e);
      return true;
    }
    // The same input with another label is no duplicate; it is remembered under both.
    const key = `${input}\u0000${e.label}`;
    const earlier = first.label === e.label ? first : seen.get(key);
    if (!earlier) {
      seen.set(key, e);
      return true;
    }
    // Measurements on a coarse scale repeat by chance: they are only noted.
    const remove = policy.exact === 'remove' && !e.features;
    log.add(problem('duplicate', e, `the same as ${where(earlier)}`, split, !remove));
    return !remove;
  });
  if (policy.near.action === 'off' || !distinct.some(isText)) return distinct;
  const index = createNearIndex(policy.near.threshold);
  const remove = policy.near.action === 'remove';
  return distinct.filter((e, i) => {
    if (!isText(e)) return true;
    const text = inputText(e);
    const hit = index.find(text);
    if (!hit) {
      index.add(i, text);
      return true;
    }
    const other = distinct[hit.id];
    log.add(
      problem(
        'near-duplicate',
        e,
        `${percent(hit.similarity)} like ${where(other)}${labelClash(e, other)}`,
        split,
        !remove,
      ),
    );
    return !remove;
  });
}

const percent = (x: number): string => `${Math.round(100 * x)} %`;
const labelClash = (a: Example, b: Example): string =>
  a.label !== undefined && b.label !== undefined && a.label >= 0 && b.label >= 0 && a.label !== b.label
    ? `, which has class ${b.label} instead of ${a.label}`
    : '';

/** Finds rows of held-out splits among others. */
export interface LeakIndex {
  find(e: Example): { kind: 'leak' | 'near-leak'; message: string } | undefined;
}

/** An index over held-out examples; `near` false leaves only exact matches. */
export function createLeakIndex(
  heldOut: { split: string; items: Example[] }[],
  threshold: number,
  near: boolean,
): LeakIndex {
  const exact = new Map<string, string>();
  const all: string[] = [];
  let index: NearIndex | undefined;
  for (const { split, items } of heldOut) {
    for (const e of items) {
      const name = `${where(e)} (${split})`;
      exact.set(leakKey(e), name);
      if (!near || !isText(e)) continue;
      index ??= createNearIndex(threshold);
      index.add(all.push(name) - 1, leakText(e));
    }
  }
  return {
    find(e) {
      const same = exact.get(leakKey(e));
      if (same !== undefined) return { kind: 'leak', message: `also at ${same}` };
      const hit = index && isText(e) ? index.find(leakText(e)) : undefined;
      return hit && { kind: 'near-leak', message: `${percent(hit.similarity)} like ${all[hit.id]}` };
    },
  };
}

// What a test asks is its input: a training row with the same prompt or query leaks it whatever the response or document.
const leakText = (e: Example): string =>
  e.prompt ?? (e.score !== undefined && e.text !== undefined ? e.text : inputText(e));
const leakKey = (e: Example): string => (isText(e) ? leakText(e) : inputKey(e));

/** Examples that are not (nearly) held out. */
export function withoutLeaks(
  items: Example[],
  split: string,
  index: LeakIndex,
  remove: boolean,
  log: ProblemLog,
): Example[] {
  return items.filter((e) => {
    const hit = index.find(e);
    if (!hit) return true;
    const gone = remove && !e.features;
    log.add(problem(hit.kind, e, hit.message, split, !gone));
    return !gone;
  });
}
