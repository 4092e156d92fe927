import { DecantError } from '../util/errors.ts';
import { byteMachine, type MachineState } from './byte-machine.ts';
import type { Constraint, ConstraintState } from './generate.ts';
import { type Grammar, jsonGrammar } from './json-grammar.ts';
import { compileSchema, type JsonSchema } from './json-schema.ts';

/** The part of a tokenizer that a constraint reads. */
export interface TokenTable {
  /** One more than the highest id. */
  readonly size: number;
  /** What a token adds to a text; empty for special tokens. */
  tokenBytes(id: number): Uint8Array;
}

/**
 * Keeps an answer inside a JSON schema, for any tokenizer: only tokens whose bytes continue a text that fits are
 * left. Objects come with their properties in the order of the schema; after commas and colons one blank may stand, and
 * one before the answer. A finished answer parses and fits; one cut off at its longest length may not.
 */
export function jsonConstraint(schema: JsonSchema | true, tokens: TokenTable): Constraint {
  const grammar = compileSchema(schema);
  return grammarConstraint({ expand: () => [[jsonGrammar.blank, grammar]] }, tokens);
}

/** Keeps an answer inside a grammar over bytes. */
export function grammarConstraint(grammar: Grammar, tokens: TokenTable): Constraint {
  const first = byteMachine(grammar);
  const trie = tokenTrie(tokens);
  const bytesOf = Array.from({ length: tokens.size }, (_, id) => tokens.tokenBytes(id));
  const known = new Map<number, ConstraintState>();
  const stateOf = (at: MachineState): ConstraintState => {
    const found = known.get(at.id);
    if (found) return found;
    let allowed: Uint8Array | undefined;
    const state: ConstraintState = {
      done: at.done,
      mask(logits) {
        allowed ??= allowedTokens(trie, at, tokens.size);
        for (let i = 0; i < logits.length; i++) if (!allowed[i]) logits[i] = Number.NEGATIVE_INFINITY;
      },
      next(token) {
        let to: MachineState | undefined = at;
        for (const b of bytesOf[token]) to = to?.next(b);
        if (!to || bytesOf[token].length === 0)
          throw new DecantError('internal', 'a token that the constraint does not allow was chosen', {
            seen: token,
          });
        return stateOf(to);
      },
    };
    known.set(at.id, state);
    return state;
  };
  return { start: () => stateOf(first) };
}

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  readonly tokens: number[];
}

/** All tokens by their bytes: what they have in common is walked once. */
function tokenTrie(tokens: TokenTable): TrieNode {
  const root: TrieNode = { children: new Map(), tokens: [] };
  for (let id = 0; id < tokens.size; id++) {
    const bytes = tokens.tokenBytes(id);
    if (bytes.length === 0) continue;
    let node = root;
    for (const b of bytes) {
      let child = node.children.get(b);
      if (!child) node.children.set(b, (child = { children: new Map(), tokens: [] }));
      node = child;
    }
    node.tokens.push(id);
  }
  return root;
}

function allowedTokens(root: TrieNode, at: MachineState, size: number): Uint8Array {
  const allowed = new Uint8Array(size);
  const open: [TrieNode, MachineState][] = [[root, at]];
  while (open.length > 0) {
    const [node, state] = open.pop()!;
    for (const id of node.tokens) allowed[id] = 1;
    for (const [byte, child] of node.children) {
      const to = state.next(byte);
      if (to) open.push([child, to]);
    }
  }
  return allowed;
}
