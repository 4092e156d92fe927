/** Bits needed for integers in [0, n). */
export const bitsFor = (n: number): number => Math.max(1, Math.ceil(Math.log2(Math.max(2, n))));

export interface BitWriter {
  /** Appends the low `bits` (1 to 32) bits of `value`, least significant first. */
  write(value: number, bits: number): void;
  /** Fills the last byte with zeros; returns the position after it. */
  finish(): number;
}

/** Packs integers into `bytes` from byte `offset` on, least significant bit first. */
export function bitWriter(bytes: Uint8Array, offset: number): BitWriter {
  let held = 0; // fewer than 8 bits wait here; all arithmetic stays below 2^40 < 2^53
  let count = 0;
  return {
    write(value, bits) {
      held += value * 2 ** count;
      count += bits;
      while (count >= 8) {
        bytes[offset++] = held % 256;
        held = Math.floor(held / 256);
        count -= 8;
      }
    },
    finish() {
      if (count > 0) bytes[offset++] = held;
      held = 0;
      count = 0;
      return offset;
    },
  };
}

export interface BitReader {
  read(bits: number): number;
  /** Skips to the next whole byte; returns its position. */
  finish(): number;
}

/** Reads what {@link bitWriter} wrote. */
export function bitReader(bytes: Uint8Array, offset: number): BitReader {
  let held = 0;
  let count = 0;
  return {
    read(bits) {
      while (count < bits) {
        held += bytes[offset++] * 2 ** count;
        count += 8;
      }
      const unit = 2 ** bits;
      const value = held % unit;
      held = Math.floor(held / unit);
      count -= bits;
      return value;
    },
    finish() {
      held = 0;
      count = 0;
      return offset;
    },
  };
}
