import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createNodeEngine } from '../engine/node/engine.ts';
import { type ResultCard, reproduce, reproductions } from '../run/reproduce/index.ts';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { didYouMean } from '../util/suggest.ts';
import type { ReproduceFlags } from './commands/reproduce.ts';
import { createOutput, type Io, textTable } from './io.ts';

/** `decant reproduce [slug]`: runs the arms, prints the table and the verdict, writes the card. */
export async function reproduceCommand(
  slug: string | undefined,
  flags: ReproduceFlags,
  io: Io,
): Promise<void> {
  const output = createOutput(io, flags);
  if (slug === undefined) {
    const list = Object.values(reproductions);
    output.result(
      list.map(({ slug, claim, data, seeds, arms }) => ({ slug, claim, data, seeds, arms })),
      () =>
        textTable(
          ['method', 'data', 'seeds', 'claim'],
          list.map((r) => [r.slug, r.data.join(', '), r.seeds.length, r.claim]),
        ),
    );
    return;
  }
  const known = Object.keys(reproductions);
  if (!Object.hasOwn(reproductions, slug))
    throw new DecantError('usage', 'there is no reproduction of this method', {
      seen: slug,
      allowed: known.join(', '),
      fix: didYouMean(slug, known),
    });
  // models this small lose more by waiting for a second thread than they gain
  const engine = createNodeEngine({ threads: 1 });
  try {
    const context = { engine, dataRoot: io.env.DECANT_DATA, tell: output.line };
    const card = await reproduce(reproductions[slug], context, flags);
    const out = flags.out ?? (flags.quick ? undefined : `results/${slug}.json`);
    if (out !== undefined) {
      const path = resolve(io.cwd, out);
      mkdirSync(dirname(path), { recursive: true });
      writeFileAtomic(path, `${JSON.stringify(card, null, 2)}\n`);
    }
    output.result(card, () => [...cardText(card), out ? `card     ${out}` : ''].join('\n').trimEnd());
  } finally {
    await engine.close();
  }
}

const shown = (x: number): string => x.toPrecision(4);

/** A card for people: arms, criteria, verdict. */
export function cardText(card: ResultCard): string[] {
  const metrics = [...new Set(Object.values(card.arms).flatMap((a) => Object.keys(a.metrics)))];
  const rows = Object.entries(card.arms).map(([arm, a]) => [
    arm,
    ...metrics.map((m) => {
      const v = a.metrics[m];
      return v ? `${shown(v.mean)}${v.sd === null ? '' : ` ± ${v.sd.toPrecision(2)}`}` : '';
    }),
    a.what,
  ]);
  return [
    '',
    textTable(['arm', ...metrics, ''], rows),
    '',
    ...card.criteria.map(
      (c) =>
        `${c.met ? 'holds  ' : 'fails  '}  ${c.says} (${c.role}; ahead of ${c.against} by ${shown(c.ahead)}, needed: ${c.needed})`,
    ),
    '',
    `verdict  ${card.verdict}${card.quick ? ' (a quick run: not evidence)' : ''}; seeds ${card.seeds.join(', ')}; ${card.seconds} s`,
  ];
}
