import type { Grammar } from './json-grammar.ts';

/** What remains to be read: a list that ends in undefined. Equal lists are one object. */
interface Rest {
  readonly id: number;
  readonly head: Grammar;
  readonly tail: Rest | undefined;
}

/** A state of the machine: everything that may follow what was read. Equal states are one object. */
export interface MachineState {
  readonly id: number;
  /** Whether the text may end here. */
  readonly done: boolean;
  /** The state after a byte; undefined: it does not fit. */
  next(byte: number): MachineState | undefined;
}

/** A deterministic machine over the bytes of a grammar, whose states are made when they are first reached. */
export function byteMachine(grammar: Grammar): MachineState {
  const grammarIds = new Map<Grammar, number>();
  const rests = new Map<string, Rest>();
  const states = new Map<string, MachineState>();
  const cons = (head: Grammar, tail: Rest | undefined): Rest => {
    let g = grammarIds.get(head);
    if (g === undefined) grammarIds.set(head, (g = grammarIds.size));
    const key = `${g}/${tail?.id ?? ''}`;
    let rest = rests.get(key);
    if (!rest) rests.set(key, (rest = { id: rests.size, head, tail }));
    return rest;
  };
  const before = (parts: readonly Grammar[], tail: Rest | undefined): Rest | undefined =>
    parts.reduceRight<Rest | undefined>((t, g) => cons(g, t), tail);

  const stateOf = (starts: readonly (Rest | undefined)[]): MachineState | undefined => {
    const reading = new Map<number, Rest>();
    const seen = new Set<number>();
    let done = false;
    const open = [...starts];
    while (open.length > 0) {
      const rest = open.pop();
      if (!rest) {
        done = true;
        continue;
      }
      if (seen.has(rest.id)) continue;
      seen.add(rest.id);
      if (rest.head.read) reading.set(rest.id, rest);
      else for (const parts of rest.head.expand!()) open.push(before(parts, rest.tail));
    }
    if (reading.size === 0 && !done) return undefined;
    const key = `${done} ${[...reading.keys()].sort((a, b) => a - b).join()}`;
    const known = states.get(key);
    if (known) return known;
    const threads = [...reading.values()];
    const followers = new Array<MachineState | null | undefined>(256);
    const state: MachineState = {
      id: states.size,
      done,
      next(byte) {
        let to = followers[byte];
        if (to === undefined) {
          const following = threads.flatMap((t) => t.head.read!(byte).map((p) => before(p, t.tail)));
          to = (following.length > 0 ? stateOf(following) : undefined) ?? null;
          followers[byte] = to;
        }
        return to ?? undefined;
      },
    };
    states.set(key, state);
    return state;
  };
  return stateOf([cons(grammar, undefined)])!;
}
