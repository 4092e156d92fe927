/** How text is cleaned before anything else looks at it. */
export interface TextNormalization {
  /** Unicode normal form. */
  unicode: 'NFC' | 'NFKC' | 'none';
  /** `collapse`: every run of white space becomes one space; `trim`: only the ends are cut. */
  whitespace: 'collapse' | 'trim' | 'keep';
  lowercase: boolean;
}

// C0 and C1 controls without tab, line feed and carriage return; zero-width space, byte-order mark, soft hyphen.
// biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the purpose
const invisible = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\ufeff\u00ad]/g;

/** Text in the form that training sees; control characters and invisible marks are always removed. */
export function normalizeText(text: string, how: TextNormalization): string {
  let out = how.unicode === 'none' ? text : text.normalize(how.unicode);
  out = out.replace(invisible, '');
  if (how.whitespace === 'collapse') out = out.replace(/\s+/g, ' ').trim();
  else if (how.whitespace === 'trim') out = out.trim();
  return how.lowercase ? out.toLowerCase() : out;
}

/** Reason why text looks damaged by a wrong encoding, or undefined. */
export function encodingDamage(text: string): string | undefined {
  const at = text.indexOf('\ufffd');
  if (at >= 0) return `invalid bytes near ${JSON.stringify(text.slice(Math.max(0, at - 12), at + 8))}`;
  // UTF-8 bytes that were read as windows-1252: "Ã©", "â€™", "Ð¿Ñ€".
  const twice =
    /[ÃÂ][\u0080-\u00bf]|â€[\u2018-\u201d\u2020-\u2122œ\u0090-\u009d]|(?:[ÐÑ][\u0080-\u00bf]){2}/.exec(text);
  return twice ? `UTF-8 read as windows-1252 near ${JSON.stringify(twice[0])}` : undefined;
}

/** Letters and digits in lower case with single spaces: what two texts must share to count as the same. */
export const comparable = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
