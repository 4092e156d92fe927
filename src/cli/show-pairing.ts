import { isChecked, type RecipePairing } from '../recipe/recipe-pairing.ts';
import { textTable } from './io.ts';

/** Methods that were not made for this task say so first: nothing about the pair would change that. */
const servesAnotherTask = (m: Extract<RecipePairing, { methods: unknown }>['methods'][number]): boolean =>
  m.verdict === 'illegal' && m.reasons[0]?.startsWith('serves ');

/** Which methods fit the pair, and why the others do not. */
export function showPairing(pairing: RecipePairing): string {
  if (!isChecked(pairing)) return `pairing: not checked; ${pairing.unchecked}`;
  const facts = pairing.facts.filter((f) => f.state !== 'same').map((f) => `  ${f.subject}: ${f.message}`);
  const others = pairing.methods.filter(servesAnotherTask).map((m) => m.method);
  const rows = pairing.methods
    .filter((m) => !servesAnotherTask(m))
    .map((m) => [
      m.method,
      m.verdict,
      m.verdict === 'illegal' ? m.reasons.join('; ') : m.signals?.join(', ') || 'needs no teacher',
    ]);
  return [
    'pairing of teacher and student',
    ...facts,
    textTable(['method', 'verdict', 'uses, or why not'], rows),
    ...(others.length > 0 ? [`for other tasks: ${others.join(', ')}`] : []),
  ].join('\n');
}
