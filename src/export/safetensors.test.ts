import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { array, type NDArray, ndarray, toNumbers } from '../graph/ndarray.ts';
import { isDecantError } from '../util/errors.ts';
import { type ByteSource, memorySource } from '../util/folder.ts';
import { buildSafetensors, checkFinite, openSafetensors, parseSafetensors } from './safetensors.ts';
import type { StoredDType } from './safetensors-dtype.ts';
import { MAX_HEADER_BYTES } from './safetensors-header.ts';

/** A file from a header text and data, with the length word of the text unless given. */
function file(
  header: string,
  data: number[] = [],
  length = new TextEncoder().encode(header).length,
): Uint8Array {
  const text = new TextEncoder().encode(header);
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
}

const failure = async (bytes: Uint8Array, options = {}): Promise<string> => {
  const error = await parseSafetensors(bytes, 'w.safetensors', options).then(
    () => undefined,
    (e) => e,
  );
  expect(isDecantError(error), `expected an error with advice, got ${error}`).toBe(true);
  return (error as Error).message;
};

const f32 = (name: string, begin: number, end: number, shape = `[${(end - begin) / 4}]`): string =>
  `"${name}":{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe('safetensors reading and writing', () => {
  it('writes what the format describes, to the byte', async () => {
    const bytes = await buildSafetensors(
      new Map([
        ['b', array([1, 2])],
        ['a', array([[3]], 'int32')],
      ]),
    );
    const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const text = new TextDecoder().decode(bytes.subarray(8, 8 + header));
    expect(text.trimEnd()).toBe(
      '{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' +
        '"a":{"dtype":"I32","shape":[1,1],"data_offsets":[8,12]}}',
    );
    expect(header % 8).toBe(0);
    expect([...bytes.subarray(8 + header)]).toEqual([0, 0, 128, 63, 0, 0, 0, 64, 3, 0, 0, 0]);
  });

  it('round-trips every readable type to the same bytes', async () => {
    const all: [string, StoredDType, NDArray][] = [
      ['f64', 'F64', array([1.5, -2], 'float64')],
      ['f32', 'F32', array([1.5, Number.NaN])],
      ['f16', 'F16', array([1.5, 65504], 'float16')],
      ['bf16', 'BF16', array([1.5, -0.00390625])],
      ['i64', 'I64', ndarray(BigInt64Array.from([-5n, 1n << 60n]))],
      ['u64', 'U64', ndarray(BigInt64Array.from([5n, 1n << 60n]))],
      ['i32', 'I32', array([-7], 'int32')],
      ['u32', 'U32', array([4294967295], 'uint32')],
      ['i16', 'I16', array([-32768], 'int32')],
      ['u16', 'U16', array([65535], 'int32')],
      ['i8', 'I8', array([-128, 127], 'int32')],
      ['u8', 'U8', array([255], 'uint8')],
      ['bool', 'BOOL', array([true, false], 'bool')],
      ['empty', 'F32', array([], 'float32', [0, 3])],
      ['scalar', 'F32', array([4], 'float32', [])],
    ];
    const storage = new Map(all.map(([n, s]) => [n, s]));
    const bytes = await buildSafetensors(new Map(all.map(([n, , a]) => [n, a])), { storage });
    const read = await parseSafetensors(bytes);
    for (const [name, stored, a] of all) {
      expect(read.storage.get(name)).toBe(stored);
      expect(read.tensors.get(name)!.shape).toEqual(a.shape);
      expect(toNumbers(read.tensors.get(name)!)).toEqual(toNumbers(a));
    }
    expect(await buildSafetensors(read.tensors, { storage: read.storage, metadata: read.metadata })).toEqual(
      bytes,
    );
  });

  it('keeps every one of the 65,536 bfloat16 patterns', async () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const header = '{"w":{"dtype":"BF16","shape":[256,256],"data_offsets":[0,131072]}}';
    const bytes = file(header, [...new Uint8Array(bits.buffer)]);
    const { tensors, storage } = await parseSafetensors(bytes);
    const again = await buildSafetensors(tensors, { storage });
    expect(again.slice(-131072)).toEqual(bytes.slice(-131072));
  });

  it('rounds float32 to bfloat16 to nearest, ties to even', async () => {
    const { tensors } = await parseSafetensors(
      await buildSafetensors(
        new Map([['w', array([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 3.5e38])]]),
        {
          storage: new Map([['w', 'BF16']]),
        },
      ),
    );
    expect([...toNumbers(tensors.get('w')!)]).toEqual([
      1,
      1 + 2 ** -6,
      1 + 2 ** -7,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it('reads tensors and rows lazily, only the bytes asked for', async () => {
    const rows = array(Array.from({ length: 100 }, (_, i) => [i, -i]));
    const bytes = await buildSafetensors(
      new Map([
        ['e', rows],
        ['z', array([9])],
      ]),
    );
    const asked: number[] = [];
    const source: ByteSource = {
      ...memorySource(bytes),
      read: async (b, e) => {
        asked.push(e - b);
        return bytes.slice(b, e);
      },
    };
    const open = await openSafetensors(source);
    asked.length = 0;
    expect(toNumbers(await open.readRows('e', 98, 100))).toEqual(Float64Array.from([98, -98, 99, -99]));
    expect([...toNumbers(await open.read('z'))]).toEqual([9]);
    expect(asked).toEqual([16, 4]);
    await expect(open.readRows('e', 99, 101)).rejects.toThrow(/rows out of range.*0 to 100/);
    await expect(open.read('nope')).rejects.toThrow(/no tensor "nope".*allowed: e, z/);
  });

  it('refuses values that do not fit the stored type', async () => {
    const put = (a: NDArray, stored: StoredDType): Promise<Uint8Array> =>
      buildSafetensors(new Map([['w', a]]), { storage: new Map([['w', stored]]) });
    await expect(put(array([1, 128], 'int32'), 'I8')).rejects.toThrow(/tensor "w".*element 1.*-128 to 127/);
    await expect(put(array([-1], 'int32'), 'U16')).rejects.toThrow(/element 0/);
    await expect(put(array([0.5]), 'I32')).rejects.toThrow(/float32 values cannot be stored as I32/);
  });

  it('finds NaN and infinity on request', async () => {
    const a = array([
      [1, 2],
      [Number.NaN, Number.NEGATIVE_INFINITY],
    ]);
    expect(() => checkFinite(a, 'x')).toThrow(/x: 2 of 4 values.*NaN at element 2 of shape \[2,2\]/);
    const bytes = await buildSafetensors(new Map([['deep.w', a]]));
    expect(await failure(bytes, { finite: true })).toMatch(/w\.safetensors: tensor "deep\.w".*2 of 4/);
    const half = array([1, Number.POSITIVE_INFINITY], 'float16');
    expect(() => checkFinite(half, 'h')).toThrow(/Infinity at element 1/);
  });
});

describe('malformed safetensors', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['no bytes', new Uint8Array(), /too short/],
    ['seven bytes', new Uint8Array(7), /too short/],
    ['zero header', file('', [], 0), /header length does not fit/],
    ['header beyond the file', file('{}', [], 3), /header length does not fit.*seen: 3/],
    ['header over the limit', file('{}', [], MAX_HEADER_BYTES + 1), /over the limit/],
    ['header of 2^63', file('{}', [], 2 ** 63), /over the limit/],
    ['not UTF-8', new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe]), /UTF-8/],
    ['not an object', file('[]'), /begin with \{/],
    ['blank first', file(' {}'), /begin with \{/],
    ['not JSON', file('{"a":}'), /not valid JSON/],
    ['rest after the object', file('{}x'), /not valid JSON/],
    ['a name twice', file(`{${f32('a', 0, 4)},${f32('a', 4, 8)}}`, [0, 0, 0, 0, 0, 0, 0, 0]), /twice.*"a"/],
    ['metadata not strings', file('{"__metadata__":{"a":1}}'), /__metadata__/],
    ['entry not an object', file('{"w":3}'), /tensor "w".*not an object/],
    [
      'unknown type',
      file('{"w":{"dtype":"F31","shape":[],"data_offsets":[0,4]}}', [0, 0, 0, 0]),
      /dtype.*F31/,
    ],
    [
      'prototype key as type',
      file('{"w":{"dtype":"toString","shape":[],"data_offsets":[0,0]}}'),
      /unknown dtype/,
    ],
    ['negative size', file('{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', [0, 0, 0, 0]), /shape/],
    ['fractional size', file('{"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,6]}}'), /shape/],
    [
      'size overflow',
      file('{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
      /no whole/,
    ],
    ['offsets missing', file('{"w":{"dtype":"F32","shape":[1]}}', [0, 0, 0, 0]), /data_offsets/],
    [
      'offsets backwards',
      file('{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', [0, 0, 0, 0]),
      /backwards/,
    ],
    ['wrong size', file(`{${f32('w', 0, 4, '[2]')}}`, [0, 0, 0, 0]), /"w".*needs 8 bytes.*4 bytes/],
    ['outside the file', file(`{${f32('w', 0, 8)}}`, [0, 0, 0, 0]), /"w".*outside the file/],
    ['overlap', file(`{${f32('a', 0, 8)},${f32('b', 4, 12)}}`, Array(12).fill(0)), /"b".*overlaps/],
    ['hole', file(`{${f32('a', 0, 4)},${f32('b', 8, 12)}}`, Array(12).fill(0)), /bytes 4 to 8.*no tensor/],
    ['rest', file(`{${f32('a', 0, 4)}}`, Array(5).fill(0)), /longer than its tensors/],
    ['bad bool', file('{"w":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}', [1, 2]), /"w".*element 1/],
    [
      'type without numbers',
      file('{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', [1]),
      /F8_E4M3/,
    ],
    [
      'half a byte',
      file('{"w":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}', [1, 1]),
      /whole number of bytes/,
    ],
  ];
  it.each(cases)('%s', async (_, bytes, message) => {
    const text = await failure(bytes);
    expect(text).toMatch(message);
    expect(text).toContain('w.safetensors');
  });

  it('survives random damage with nothing but explained errors', async () => {
    const whole = await buildSafetensors(
      new Map<string, NDArray>([
        [
          'a.weight',
          array([
            [1, 2],
            [3, 4],
          ]),
        ],
        ['b', array([true, false], 'bool')],
        ['c', array([7], 'float16')],
      ]),
    );
    const read = async (bytes: Uint8Array): Promise<void> => {
      try {
        await parseSafetensors(bytes);
      } catch (e) {
        if (!isDecantError(e)) throw e;
      }
    };
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(whole.length), async (changes, cut) => {
        const bytes = whole.slice();
        for (const [i, v] of changes) bytes[i] = v;
        await read(bytes);
        await read(bytes.subarray(0, cut));
      }),
      { numRuns: 2000, seed: 1 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), (bytes) => read(bytes)),
      { numRuns: 500, seed: 2 },
    );
    const shape = fc.array(fc.oneof(fc.nat(4), fc.integer(), fc.constant(2 ** 31)), { maxLength: 4 });
    const entry = fc.record({
      dtype: fc.constantFrom('F32', 'BF16', 'BOOL', 'F4', '', '__proto__'),
      shape: fc.oneof(shape, fc.jsonValue()),
      data_offsets: fc.oneof(fc.array(fc.nat(32), { minLength: 1, maxLength: 3 }), fc.jsonValue()),
    });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.oneof(entry, fc.jsonValue())), fc.nat(32), (o, n) =>
        read(file(JSON.stringify(o), Array(n).fill(1))),
      ),
      { numRuns: 1500, seed: 3 },
    );
  });

  it('survives deep nesting', async () => {
    const deep = `{"a":${'['.repeat(200000)}${']'.repeat(200000)}}`;
    expect(await failure(file(deep))).toMatch(/nested too deeply/);
  });
});
