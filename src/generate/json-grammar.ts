export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * A language over bytes, as a parser that takes one byte at a time. Values of this type are immutable and made once
 * per place in a schema; what remains to be read is a list of them (`Rest`).
 */
export interface Grammar {
  /** Reads a byte: what may follow, each alternative in front of the rest. No alternative: the byte does not fit. */
  read?(byte: number): readonly (readonly Grammar[])[];
  /** Instead of reading: what it stands for. */
  expand?(): readonly (readonly Grammar[])[];
}

const utf8 = new TextEncoder();
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Most digits before the point, after it, and in the exponent: what any double survives. */
const DIGITS = { whole: 15, fraction: 15, exponent: 2 };

const choice = (parts: readonly Grammar[]): Grammar =>
  parts.length === 1 ? parts[0] : { expand: () => parts.map((p) => [p]) };

const sequence = (parts: readonly Grammar[]): Grammar => ({ expand: () => [parts] });

function literal(text: string): Grammar {
  const bytes = utf8.encode(text);
  const at = Array.from(
    bytes,
    (b, i): Grammar => ({
      read: (byte) => (byte !== b ? [] : i + 1 < bytes.length ? [[at[i + 1]]] : [[]]),
    }),
  );
  return at[0];
}

const bytes = (accepts: (b: number) => boolean, next: () => readonly Grammar[]): Grammar => ({
  read: (b) => (accepts(b) ? [next()] : []),
});

const hex = (b: number): boolean =>
  (b >= 0x30 && b <= 0x39) || (b >= 0x41 && b <= 0x46) || (b >= 0x61 && b <= 0x66);
const digit = (b: number): boolean => b >= 0x30 && b <= 0x39;

// what follows the first byte of a character: ranges that well-formed UTF-8 has there (RFC 3629, section 4)
const tail = (low = 0x80, high = 0xbf, next: readonly Grammar[] = []): Grammar =>
  bytes(
    (b) => b >= low && b <= high,
    () => next,
  );
const one = tail();
const two = tail(0x80, 0xbf, [one]);
const afterE0 = tail(0xa0, 0xbf, [one]);
const afterED = tail(0x80, 0x9f, [one]);
const afterF1 = tail(0x80, 0xbf, [two]);
const afterF4 = tail(0x80, 0x8f, [two]);
const afterF0 = tail(0x90, 0xbf, [two]);
const after = (lead: number): readonly Grammar[] | undefined => {
  if (lead < 0x80) return [];
  if (lead >= 0xc2 && lead <= 0xdf) return [one];
  if (lead === 0xe0) return [afterE0];
  if (lead === 0xed) return [afterED];
  if (lead >= 0xe1 && lead <= 0xef) return [two];
  if (lead === 0xf0) return [afterF0];
  if (lead >= 0xf1 && lead <= 0xf3) return [afterF1];
  if (lead === 0xf4) return [afterF4];
  return undefined;
};

const hexDigit = bytes(hex, () => []);
// no \uD800 to \uDFFF: halves of a pair could remain alone
const d = bytes(
  (b) => b === 0x64 || b === 0x44,
  () => [
    bytes(
      (b) => b >= 0x30 && b <= 0x37,
      () => [],
    ),
    hexDigit,
    hexDigit,
  ],
);
const otherHex = bytes(
  (b) => hex(b) && b !== 0x64 && b !== 0x44,
  () => [hexDigit, hexDigit, hexDigit],
);
const fourHex = choice([otherHex, d]);
const ESCAPED = new Set(utf8.encode('"\\/bfnrt'));
const afterBackslash: Grammar = {
  read: (b) => (b === 0x75 ? [[fourHex]] : ESCAPED.has(b) ? [[]] : []),
};

/** The inside of a string with its closing quote, when so many characters were read. */
function inside(min: number, max: number): Grammar {
  const at = new Map<number, Grammar>();
  // without an upper limit, counting stops where it no longer matters
  const last = Number.isFinite(max) ? max : min;
  const counted = (n: number): Grammar => {
    const known = at.get(n);
    if (known) return known;
    const here: Grammar = {
      read(b) {
        if (b === QUOTE) return n >= min ? [[]] : [];
        if (n >= max || b < 0x20) return [];
        const next = counted(Math.min(n + 1, last));
        if (b === BACKSLASH) return [[afterBackslash, next]];
        const rest = after(b);
        return rest ? [[...rest, next]] : [];
      },
    };
    at.set(n, here);
    return here;
  };
  return counted(0);
}

const quote = literal('"');
const string = (min = 0, max = Number.POSITIVE_INFINITY): Grammar => sequence([quote, inside(min, max)]);

/** From `least` to `most` further digits. */
function digits(least: number, most: number): Grammar {
  const at: Grammar[] = [];
  for (let left = 0; left <= most; left++) {
    const some = bytes(digit, () => (left > 1 ? [at[left - 1]] : []));
    const need = most - left < least;
    at[left] = left === 0 ? sequence([]) : need ? some : choice([sequence([]), some]);
  }
  return at[most];
}

function number(integer: boolean): Grammar {
  const none = sequence([]);
  const whole = choice([
    literal('0'),
    sequence([
      bytes(
        (b) => digit(b) && b !== 0x30,
        () => [],
      ),
      digits(0, DIGITS.whole - 1),
    ]),
  ]);
  const sign = choice([none, literal('-')]);
  if (integer) return sequence([sign, whole]);
  const fraction = choice([none, sequence([literal('.'), digits(1, DIGITS.fraction)])]);
  const exponent = choice([
    none,
    sequence([
      choice([literal('e'), literal('E')]),
      choice([none, literal('+'), literal('-')]),
      digits(1, DIGITS.exponent),
    ]),
  ]);
  return sequence([sign, whole, fraction, exponent]);
}

// one blank may stand after a comma and a colon, as most texts have it
const blank = choice([sequence([]), literal(' ')]);
const comma = sequence([literal(','), blank]);
const colon = sequence([literal(':'), blank]);

function array(item: Grammar, min = 0, max = Number.POSITIVE_INFINITY): Grammar {
  const close = literal(']');
  const more = new Map<number, Grammar>();
  const last = Number.isFinite(max) ? max : Math.max(min, 1);
  const after = (n: number): Grammar => {
    const known = more.get(n);
    if (known) return known;
    const here: Grammar = {
      expand: () => [
        ...(n >= min ? [[close]] : []),
        ...(n < max ? [[...(n > 0 ? [comma] : []), item, after(Math.min(n + 1, last))]] : []),
      ],
    };
    more.set(n, here);
    return here;
  };
  return sequence([literal('['), after(0)]);
}

interface Property {
  name: string;
  value: Grammar;
  required: boolean;
}

/** An object with the given properties in their order; those not required may be left out. */
function record(properties: readonly Property[]): Grammar {
  const close = literal('}');
  const keys = properties.map((p) => sequence([literal(JSON.stringify(p.name)), colon, p.value]));
  const places = new Map<string, Grammar>();
  const from = (i: number, first: boolean): Grammar => {
    const name = `${i}${first}`;
    const known = places.get(name);
    if (known) return known;
    const here: Grammar = {
      expand() {
        const out: Grammar[][] = [];
        for (let j = i; j < properties.length; j++) {
          out.push([...(first ? [] : [comma]), keys[j], from(j + 1, false)]);
          if (properties[j].required) return out;
        }
        return [...out, [close]];
      },
    };
    places.set(name, here);
    return here;
  };
  return sequence([literal('{'), from(0, true)]);
}

/** Any JSON value. */
const anything: Grammar = {
  expand: () => [[literals], [anyNumber], [anyString], [anyArray], [anyObject]],
};
const literals = choice(['null', 'true', 'false'].map(literal));
const anyNumber = number(false);
const anyString = string();
const anyArray = array(anything);
const members: Grammar = { expand: () => [[anyString, colon, anything, moreMembers]] };
const endObject = literal('}');
const moreMembers: Grammar = { expand: () => [[endObject], [comma, members]] };
const noMembers: Grammar = { expand: () => [[endObject], [members]] };
const anyObject = sequence([literal('{'), noMembers]);

export const jsonGrammar = {
  choice,
  literal,
  string,
  number,
  array,
  record,
  object: (): Grammar => anyObject,
  any: (): Grammar => anything,
  blank,
};
