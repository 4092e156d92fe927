import { DecantError } from '../util/errors.ts';
import type { JsonValue } from './json-grammar.ts';
import { type Grammar, jsonGrammar } from './json-grammar.ts';

/** What is understood of JSON Schema (draft 2020-12). `{}` and `true` allow any JSON value. */
export interface JsonSchema {
  type?: JsonType | readonly JsonType[];
  enum?: readonly JsonValue[];
  const?: JsonValue;
  anyOf?: readonly (JsonSchema | true)[];
  /** Objects are written with these properties, in this order, and no others. */
  properties?: Readonly<Record<string, JsonSchema | true>>;
  required?: readonly string[];
  additionalProperties?: boolean;
  items?: JsonSchema | true;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  [annotation: string]: unknown;
}

export type JsonType = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';

const TYPES: readonly JsonType[] = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];
const UNDERSTOOD = [
  ...['type', 'enum', 'const', 'anyOf', 'properties', 'required', 'additionalProperties', 'items'],
  ...['minItems', 'maxItems', 'minLength', 'maxLength'],
];
const ANNOTATIONS = [
  'title',
  'description',
  '$schema',
  '$id',
  '$comment',
  'default',
  'examples',
  'deprecated',
];

/** The texts that a schema allows, as a grammar over bytes. Throws naming a keyword that is not understood. */
export function compileSchema(schema: JsonSchema | true): Grammar {
  return value(schema, 'schema');
}

function value(schema: unknown, at: string): Grammar {
  const g = jsonGrammar;
  if (schema === true) return g.any();
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    throw new DecantError('usage', 'a schema is an object or true', { at, seen: schema });
  const s = schema as JsonSchema;
  const unknown = Object.keys(s).find((k) => !UNDERSTOOD.includes(k) && !ANNOTATIONS.includes(k));
  if (unknown !== undefined)
    throw new DecantError('usage', 'this keyword of JSON Schema is not understood', {
      at: `${at}.${unknown}`,
      seen: unknown,
      allowed: UNDERSTOOD.join(', '),
      fix: 'leave it out and check the answer afterwards',
    });
  const literals = s.const !== undefined ? [s.const] : s.enum;
  if (literals) {
    const { const: _c, enum: _e, ...rest } = s;
    const kept = literals
      .filter((v) => !s.enum || s.enum.some((e) => same(e, v)))
      .filter((v) => validates(rest, v));
    if (kept.length === 0)
      throw new DecantError('usage', 'no value of the list fits the rest of the schema', {
        at,
        seen: literals,
      });
    return g.choice(kept.map((v) => g.literal(JSON.stringify(v))));
  }
  if (s.anyOf) {
    const beside = UNDERSTOOD.find((k) => k !== 'anyOf' && s[k] !== undefined);
    if (beside)
      throw new DecantError('usage', 'anyOf stands alone here', {
        at: `${at}.${beside}`,
        seen: beside,
        fix: 'put it inside each alternative',
      });
    return g.choice(s.anyOf.map((a, i) => value(a, `${at}.anyOf[${i}]`)));
  }
  const types = s.type === undefined ? impliedTypes(s) : Array.isArray(s.type) ? s.type : [s.type];
  if (!types) return g.any();
  return g.choice(types.map((t: JsonType) => ofType(t, s, at)));
}

/** A schema without a type allows all types; one with keywords of a single type most likely means that type. */
function impliedTypes(s: JsonSchema): readonly JsonType[] | undefined {
  if (s.properties || s.required) return ['object'];
  if (s.items !== undefined || s.minItems !== undefined || s.maxItems !== undefined) return ['array'];
  if (s.minLength !== undefined || s.maxLength !== undefined) return ['string'];
  return undefined;
}

function ofType(type: JsonType, s: JsonSchema, at: string): Grammar {
  const g = jsonGrammar;
  const limit = (low: number | undefined, high: number | undefined, what: string): [number, number] => {
    const [min, max] = [low ?? 0, high ?? Number.POSITIVE_INFINITY];
    if (!(min >= 0 && min <= max))
      throw new DecantError('usage', `no ${what} fits the limits`, { at, seen: `${low} to ${high}` });
    return [min, max];
  };
  switch (type) {
    case 'null':
      return g.literal('null');
    case 'boolean':
      return g.choice([g.literal('true'), g.literal('false')]);
    case 'integer':
      return g.number(true);
    case 'number':
      return g.number(false);
    case 'string':
      return g.string(...limit(s.minLength, s.maxLength, 'string'));
    case 'array': {
      const item = s.items === undefined ? g.any() : value(s.items, `${at}.items`);
      return g.array(item, ...limit(s.minItems, s.maxItems, 'array'));
    }
    case 'object': {
      if (!s.properties) {
        if (s.required?.length)
          throw new DecantError('usage', 'required properties need a schema', {
            at: `${at}.required`,
            seen: s.required,
            fix: 'list them under properties',
          });
        return g.object();
      }
      const names = Object.keys(s.properties);
      const lost = s.required?.find((r) => !names.includes(r));
      if (lost !== undefined)
        throw new DecantError('usage', 'a required property has no schema', {
          at: `${at}.required`,
          seen: lost,
          allowed: names.join(', '),
        });
      return g.record(
        names.map((name) => ({
          name,
          value: value(s.properties![name], `${at}.properties.${name}`),
          required: s.required?.includes(name) ?? false,
        })),
      );
    }
    default:
      throw new DecantError('usage', 'unknown type', {
        at: `${at}.type`,
        seen: type,
        allowed: TYPES.join(', '),
      });
  }
}

const same = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) !== Array.isArray(b))
    return false;
  const [x, y] = [a, b] as Record<string, unknown>[];
  const keys = Object.keys(x);
  return keys.length === Object.keys(y).length && keys.every((k) => k in y && same(x[k], y[k]));
};

/** Whether a value fits a schema of the supported keywords. */
export function validates(schema: JsonSchema | true, v: unknown): boolean {
  if (schema === true) return true;
  const s = schema;
  if (s.const !== undefined && !same(s.const, v)) return false;
  if (s.enum && !s.enum.some((e) => same(e, v))) return false;
  if (s.anyOf && !s.anyOf.some((a) => validates(a, v))) return false;
  if (s.type !== undefined) {
    const types: readonly JsonType[] = Array.isArray(s.type) ? s.type : [s.type as JsonType];
    if (!types.some((t) => isOf(t, v))) return false;
  }
  const within = (n: number, low?: number, high?: number): boolean =>
    (low === undefined || n >= low) && (high === undefined || n <= high);
  if (typeof v === 'string') return within([...v].length, s.minLength, s.maxLength);
  if (Array.isArray(v))
    return (
      within(v.length, s.minItems, s.maxItems) &&
      (s.items === undefined || v.every((x) => validates(s.items!, x)))
    );
  if (typeof v === 'object' && v !== null) {
    const o = v as Record<string, unknown>;
    return (
      (s.required ?? []).every((r) => r in o) &&
      Object.entries(o).every(([k, x]) =>
        s.properties && Object.hasOwn(s.properties, k)
          ? validates(s.properties[k], x)
          : s.additionalProperties !== false,
      )
    );
  }
  return true;
}

const isOf = (type: JsonType, v: unknown): boolean => {
  if (type === 'null') return v === null;
  if (type === 'array') return Array.isArray(v);
  if (type === 'object') return typeof v === 'object' && v !== null && !Array.isArray(v);
  if (type === 'integer') return Number.isInteger(v);
  return typeof v === type;
};
