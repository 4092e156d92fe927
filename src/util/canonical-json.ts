/**
 * JSON with one spelling per value: object keys sorted by UTF-16 code unit, `undefined` members left out, no
 * white space. Equal values give equal text on every platform, so the text can be hashed. Numbers that JSON
 * cannot hold (NaN, infinities) throw; typed arrays and bigints must be converted by the caller.
 */
export function canonicalJson(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`canonicalJson: ${value} has no JSON form`);
      return JSON.stringify(value);
    case 'object':
      break;
    default:
      throw new TypeError(`canonicalJson: a ${typeof value} has no JSON form`);
  }
  if (Array.isArray(value))
    return `[${value.map((v) => (v === undefined ? 'null' : canonicalJson(v))).join(',')}]`;
  if (ArrayBuffer.isView(value))
    throw new TypeError('canonicalJson: convert typed arrays before hashing them');
  const source = value as Record<string, unknown> & { toJSON?: () => unknown };
  if (typeof source.toJSON === 'function') return canonicalJson(source.toJSON());
  const members: string[] = [];
  for (const key of Object.keys(source).sort())
    if (source[key] !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(source[key])}`);
  return `{${members.join(',')}}`;
}
