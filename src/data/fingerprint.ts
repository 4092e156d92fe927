/** Two 32-bit hashes of a byte or character sequence, joined to a 53-bit number: equal input, equal number. */
function join(high: number, low: number): number {
  return (high >>> 11) * 4294967296 + (low >>> 0);
}

const mix = (h: number): number => {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/** 53-bit fingerprint of a string; among a million strings two collide with a probability below 1e-4. */
export function fingerprintText(text: string, seed = 0): number {
  let a = 0x811c9dc5 ^ seed;
  let b = 0x9e3779b9 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    b = Math.imul(b ^ c, 0x5bd1e995) ^ (b >>> 15);
  }
  return join(mix(a ^ text.length), mix(b));
}

/** 53-bit fingerprint of bytes. */
export function fingerprintBytes(bytes: Uint8Array): number {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < bytes.length; i++) {
    a = Math.imul(a ^ bytes[i], 0x01000193);
    b = Math.imul(b ^ bytes[i], 0x5bd1e995) ^ (b >>> 15);
  }
  return join(mix(a ^ bytes.length), mix(b));
}
