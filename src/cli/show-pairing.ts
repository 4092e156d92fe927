import { isChecked, type RecipePairing } from '../recipe/recipe-pairing.ts';
import { textTable } from './io.ts';

/** Which methods fit the pair, and why the others do not. */
export function showPairing(pairing: RecipePairing): string {
  if (!isChecked(pairing)) return `pairing: not checked; ${pairing.unchecked}`;
  const facts = pairing.facts.filter((f) => f.state !== 'same').map((f) => `  ${f.subject}: ${f.message}`);
  const rows = pairing.methods.map((m) => [
    m.method,
    m.verdict,
    m.verdict === 'illegal' ? m.reasons.join('; ') : m.signals?.join(', ') || 'needs no teacher',
  ]);
  return [
    'pairing of teacher and student',
    ...facts,
    textTable(['method', 'verdict', 'uses, or why not'], rows),
  ].join('\n');
}
