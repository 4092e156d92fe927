import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRng } from '../util/rng.ts';
import { byteMachine, type MachineState } from './byte-machine.ts';
import { jsonConstraint, type TokenTable } from './constraint.ts';
import { generate } from './generate.ts';
import { compileSchema, type JsonSchema, validates } from './json-schema.ts';
import { openTiny, tinyGpt2 } from './testing/tiny.ts';

const utf8 = new TextEncoder();
const accepts = (schema: JsonSchema | true, text: string): boolean => {
  let state: MachineState | undefined = byteMachine(compileSchema(schema));
  for (const b of utf8.encode(text)) state = state?.next(b);
  return state?.done ?? false;
};

describe('the language of a schema', () => {
  it.each([
    [{ type: 'integer' }, ['0', '-7', '123'], ['01', '1.0', '-', '1e3', '']],
    [{ type: 'number' }, ['0', '-0.5', '1e5', '12.25E-3'], ['.5', '1.', '1e', '00']],
    [
      { type: 'string', maxLength: 3 },
      ['""', '"abc"', '"é€😀"', '"\\n\\u00e9x"'],
      ['"abcd"', '"a', '"\\x"', '"\n"', '"\\ud83d"'],
    ],
    [{ type: 'string', minLength: 2 }, ['"ab"', '"abc"'], ['"a"', '""']],
    [{ enum: ['a', 1, null] }, ['"a"', '1', 'null'], ['"b"', '11', 'nul']],
    [{ const: { a: [1, 'x'] } }, ['{"a":[1,"x"]}'], ['{"a":[1]}']],
    [{ type: ['null', 'boolean'] }, ['null', 'true', 'false'], ['1', 'tru']],
    [
      { type: 'array', items: { type: 'null' }, minItems: 1, maxItems: 2 },
      ['[null]', '[null, null]'],
      ['[]', '[null,null,null]', '[null,]'],
    ],
    [
      { anyOf: [{ type: 'integer' }, { type: 'array', items: { type: 'integer' } }] },
      ['5', '[5,6]', '[]'],
      ['"5"', '[[5]]'],
    ],
    [
      {
        type: 'object',
        properties: { a: { type: 'integer' }, b: true, c: { type: 'null' } },
        required: ['b'],
      },
      ['{"b":[]}', '{"a": 1, "b": {"x": "y"}}', '{"b":1,"c":null}', '{"a":1,"b":2,"c":null}'],
      ['{}', '{"a":1}', '{"b":1,"a":1}', '{"a":1,"b":2,"d":3}', '{"b":1,}'],
    ],
    [true, ['{}', '[]', '{"a": [1, {"b": "c"}], "d": null}', '-1.5e9'], ['{a:1}', '[1', '{"a"}']],
  ] as [JsonSchema | true, string[], string[]][])('%j', (schema, good, bad) => {
    for (const text of good) expect([text, accepts(schema, text)]).toEqual([text, true]);
    for (const text of bad) expect([text, accepts(schema, text)]).toEqual([text, false]);
  });

  it('holds every value that fits, as JSON.stringify writes it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (v) => {
        // numbers of more digits than a schema's number has are left out
        const text = JSON.stringify(v);
        fc.pre(!/\d{16}|e[+-]?\d{3}/.test(text) && !/\\ud[89a-f]/.test(text));
        expect(accepts(true, text)).toBe(true);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('names what it does not understand', () => {
    expect(() => compileSchema({ properties: { a: { type: 'string', pattern: 'x' } } })).toThrow(
      /schema\.properties\.a\.pattern/,
    );
    expect(() => compileSchema({ type: 'text' as never })).toThrow(/unknown type/);
    expect(() => compileSchema({ type: 'object', properties: {}, required: ['a'] })).toThrow(/no schema/);
    expect(() => compileSchema({ enum: [1, 2], type: 'string' })).toThrow(/no value/);
    expect(() => compileSchema({ type: 'array', minItems: 3, maxItems: 2 })).toThrow(/no array/);
  });
});

/** All bytes, and pieces that cross the borders of JSON's parts and of characters. */
const pieces = [
  '":',
  '", "',
  '{"',
  '[{',
  '"}',
  ']}',
  'null',
  'tru',
  'e,',
  '12',
  '.5',
  'e-',
  'é',
  '€x',
  ', ',
  '": "',
];
const tokens: TokenTable = {
  size: 1 + 256 + pieces.length,
  tokenBytes: (id) =>
    id === 0 ? new Uint8Array() : id <= 256 ? Uint8Array.of(id - 1) : utf8.encode(pieces[id - 257]),
};
const decode = (ids: readonly number[]): string =>
  new TextDecoder('utf-8', { fatal: true }).decode(
    Uint8Array.from(ids.flatMap((i) => [...tokens.tokenBytes(i)])),
  );

const leaf = fc.constantFrom<JsonSchema>(
  { type: 'integer' },
  { type: 'number' },
  { type: 'boolean' },
  { type: 'null' },
  { type: 'string', maxLength: 6 },
  { type: 'string', minLength: 1, maxLength: 3 },
  { enum: ['red', 'rose', 3, null, 'é'] },
  { const: 'x"y' },
);
const schemas: fc.Arbitrary<JsonSchema> = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    leaf,
    fc
      .tuple(tie('schema'), fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 }))
      .map(([items, min, more]) => ({ type: 'array' as const, items, minItems: min, maxItems: min + more })),
    fc
      .tuple(
        fc.dictionary(fc.constantFrom('a', 'ab', 'b', 'naïve', 'q"'), tie('schema'), { maxKeys: 3 }),
        fc.integer({ min: 0, max: 7 }),
      )
      .map(([properties, bits]) => ({
        type: 'object' as const,
        properties: { ...properties },
        required: Object.keys(properties).filter((_, i) => bits & (1 << i)),
        additionalProperties: false,
      })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
})).schema;

describe('jsonConstraint', () => {
  it('lets a random model under a random schema write only what parses and fits', async () => {
    const session = await openTiny(tinyGpt2(tokens.size));
    const noLimit = { ...session, contextLength: undefined };
    let finished = 0;
    let all = 0;
    await fc.assert(
      fc.asyncProperty(schemas, fc.integer({ min: 0, max: 1e6 }), async (schema, seed) => {
        // the oracle of the value is another library
        const oracle = z.fromJSONSchema(schema as never);
        const answers = await generate(noLimit, [[1]], {
          temperature: 2,
          seed,
          samples: 4,
          maxTokens: 63,
          eos: [0],
          constraint: jsonConstraint(schema, tokens),
        });
        for (const a of answers[0]) {
          all++;
          if (a.finish === 'length') continue;
          finished++;
          expect(a.finish).toBe('eos');
          const value = JSON.parse(decode(a.ids));
          expect(oracle.safeParse(value).success).toBe(true);
          expect(validates(schema, value)).toBe(true);
        }
      }),
      { numRuns: 60, seed: 3 },
    );
    expect(finished / all).toBeGreaterThan(0.6);
    await session.close();
  });

  it('walks through any tokens without a model, and every dead end is the end', () => {
    fc.assert(
      fc.property(schemas, fc.integer(), (schema, seed) => {
        const rng = createRng(seed);
        let state = jsonConstraint(schema, tokens).start();
        const ids: number[] = [];
        for (let i = 0; i < 400; i++) {
          const logits = new Float32Array(tokens.size);
          state.mask(logits);
          const open = [...logits.keys()].filter((t) => logits[t] === 0);
          if (open.length === 0 || (state.done && rng.uniform() < 0.3)) break;
          const id = rng.pick(open);
          ids.push(id);
          state = state.next(id);
        }
        fc.pre(ids.length < 400);
        expect(state.done).toBe(true);
        expect(validates(schema, JSON.parse(decode(ids)))).toBe(true);
      }),
      { numRuns: 150, seed: 5 },
    );
  });
});
