/** Where a record lies. */
export interface Place {
  segment: number;
  offset: number;
  length: number;
  form: number;
  source: number;
}

/**
 * Hash table from 16-byte keys to places in typed arrays (open addressing, linear probing, at most 2/3 full): about
 * 60 bytes a record, where a Map of strings and objects needs some 250.
 */
export interface PlaceTable {
  readonly size: number;
  get(key: Uint8Array): Place | undefined;
  set(key: Uint8Array, place: Place): void;
  /** Like get and set, with the key in the 16 bytes at `at`. */
  getAt(bytes: Uint8Array, at: number): Place | undefined;
  setAt(bytes: Uint8Array, at: number, place: Place): void;
  /** All keys (as fresh bytes) and places, in no particular order. */
  entries(): Generator<[Uint8Array, Place]>;
}

export function placeTable(): PlaceTable {
  let capacity = 1024;
  let size = 0;
  let keys = new Uint32Array(4 * capacity);
  let offsets = new Float64Array(capacity);
  let facts = new Uint32Array(4 * capacity); // segment (0: free), length, form, source
  const word = new Uint32Array(4);
  const wordBytes = new Uint8Array(word.buffer);

  /** Slot of the key in `word`, or the free slot where it belongs. Keys are hashes, so their first word is one. */
  const find = (): number => {
    for (let slot = word[0] & (capacity - 1); ; slot = (slot + 1) & (capacity - 1)) {
      if (facts[4 * slot] === 0) return slot;
      const k = 4 * slot;
      if (
        keys[k] === word[0] &&
        keys[k + 1] === word[1] &&
        keys[k + 2] === word[2] &&
        keys[k + 3] === word[3]
      )
        return slot;
    }
  };
  const grow = (): void => {
    const old = { keys, offsets, facts, capacity };
    capacity *= 2;
    keys = new Uint32Array(4 * capacity);
    offsets = new Float64Array(capacity);
    facts = new Uint32Array(4 * capacity);
    for (let s = 0; s < old.capacity; s++) {
      if (old.facts[4 * s] === 0) continue;
      word.set(old.keys.subarray(4 * s, 4 * s + 4));
      const slot = find();
      keys.set(word, 4 * slot);
      offsets[slot] = old.offsets[s];
      facts.set(old.facts.subarray(4 * s, 4 * s + 4), 4 * slot);
    }
  };
  const placeAt = (slot: number): Place => ({
    segment: facts[4 * slot],
    offset: offsets[slot],
    length: facts[4 * slot + 1],
    form: facts[4 * slot + 2],
    source: facts[4 * slot + 3],
  });
  const load = (bytes: Uint8Array, at: number): void => {
    for (let i = 0; i < 16; i++) wordBytes[i] = bytes[at + i];
  };
  const table: PlaceTable = {
    get size() {
      return size;
    },
    get: (key) => table.getAt(key, 0),
    set: (key, place) => table.setAt(key, 0, place),
    getAt(bytes, at) {
      load(bytes, at);
      const slot = find();
      return facts[4 * slot] === 0 ? undefined : placeAt(slot);
    },
    setAt(bytes, at, place) {
      if (3 * (size + 1) > 2 * capacity) grow();
      load(bytes, at);
      const slot = find();
      if (facts[4 * slot] === 0) {
        size++;
        keys.set(word, 4 * slot);
      }
      offsets[slot] = place.offset;
      facts[4 * slot] = place.segment;
      facts[4 * slot + 1] = place.length;
      facts[4 * slot + 2] = place.form;
      facts[4 * slot + 3] = place.source;
    },
    *entries() {
      for (let s = 0; s < capacity; s++) {
        if (facts[4 * s] === 0) continue;
        yield [new Uint8Array(keys.slice(4 * s, 4 * s + 4).buffer), placeAt(s)];
      }
    },
  };
  return table;
}
