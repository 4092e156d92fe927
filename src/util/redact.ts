/** Names of members whose values never reach a log, at any depth, whatever their case. */
const SECRET_NAME =
  /^(authorization|proxy-authorization|cookie|set-cookie|.*(api[-_]?key|token|secret|password|passwd|credential).*)$/i;
/** Members whose names look secret and are not. */
const HARMLESS =
  /^(max|min|num|n|total|prompt|completion|input|output|cached|reasoning|special|eos|bos|pad|unk|mask)?_?-?(new)?_?-?tokens?(_?-?(ids?|count|per.*))?$|token(izer|ization|_?ids?|count)|tokens$/i;
/** Shapes of keys inside text: `sk-…`, `hf_…`, bearer headers, user:password in addresses. */
const SECRET_TEXT: readonly [RegExp, string][] = [
  [/\b(sk|pk|rk)-[A-Za-z0-9_-]{12,}/g, '$1-[redacted]'],
  [/\b(hf|ghp|gho|xox[abp])_?-?[A-Za-z0-9]{16,}/g, '$1_[redacted]'],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, '$1 [redacted]'],
  [/(\w+:\/\/)[^\s/:@]+:[^\s/@]+@/g, '$1[redacted]@'],
  [/([?&](?:api[-_]?key|access_token|token|key|signature)=)[^&\s]+/gi, '$1[redacted]'],
];

/** A copy of a value without secrets: members with secret names, and keys inside strings (errors included). */
export function redact(value: unknown, secrets: readonly string[] = [], depth = 0): unknown {
  if (typeof value === 'string') return redactText(value, secrets);
  if (value === null || typeof value !== 'object') return value;
  if (depth > 12) return '[deep]';
  if (Array.isArray(value)) return value.map((v) => redact(v, secrets, depth + 1));
  if (value instanceof Error)
    return {
      type: value.name,
      message: redactText(value.message, secrets),
      stack: redactText(value.stack ?? '', secrets),
      ...(redact({ ...value }, secrets, depth + 1) as object),
    };
  if (ArrayBuffer.isView(value)) return `[${value.constructor.name} ${value.byteLength} bytes]`;
  const out: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const secret = SECRET_NAME.test(name) && !HARMLESS.test(name) && member !== null && member !== undefined;
    out[name] = secret ? '[redacted]' : redact(member, secrets, depth + 1);
  }
  return out;
}

/** Text without keys of known shapes and without the given secrets. */
export function redactText(text: string, secrets: readonly string[] = []): string {
  for (const secret of secrets) if (secret.length >= 6) text = text.replaceAll(secret, '[redacted]');
  for (const [shape, replacement] of SECRET_TEXT) text = text.replace(shape, replacement);
  return text;
}
