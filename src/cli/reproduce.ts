import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createNodeEngine } from '../engine/node/engine.ts';
import {
  FIRST_TUNING_SEED,
  plannedRun,
  type ResultCard,
  reproduce,
  reproductions,
} from '../run/reproduce/index.ts';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { didYouMean } from '../util/suggest.ts';
import type { ReproduceFlags } from './commands/reproduce.ts';
import { createOutput, type Io, textTable } from './io.ts';

/** `decant reproduce [slugs]`: runs the arms, prints tables and verdicts, writes the cards. */
export async function reproduceCommand(
  slugs: readonly string[],
  flags: ReproduceFlags,
  io: Io,
): Promise<void> {
  const output = createOutput(io, flags);
  if (slugs.length === 0) {
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
  const asked = slugs.length === 1 && slugs[0] === 'all' ? known : slugs;
  for (const slug of asked) {
    if (Object.hasOwn(reproductions, slug)) continue;
    throw new DecantError('usage', 'there is no reproduction of this method', {
      seen: slug,
      allowed: `${known.join(', ')}; all`,
      fix: didYouMean(slug, known),
    });
  }
  if (flags.out !== undefined && asked.length > 1)
    throw new DecantError('usage', 'one file cannot hold several cards', {
      at: '--out',
      seen: asked.join(', '),
      fix: 'name one method, or leave --out away',
    });
  // models this small lose more by waiting for a second thread than they gain
  const engine = createNodeEngine({ threads: 1 });
  const cards: ResultCard[] = [];
  try {
    const context = { engine, dataRoot: io.env.DECANT_DATA, tell: output.line };
    for (const slug of asked) {
      if (asked.length > 1) output.line(`${slug}:`);
      const card = await reproduce(reproductions[slug], context, flags);
      const out =
        flags.out ?? (plannedRun(reproductions[slug], flags).reported ? `results/${slug}.json` : undefined);
      if (out !== undefined) {
        const path = resolve(io.cwd, out);
        mkdirSync(dirname(path), { recursive: true });
        writeFileAtomic(path, `${JSON.stringify(card, null, 2)}\n`);
      }
      for (const line of cardText(card)) output.line(line);
      if (out !== undefined) output.line(`card     ${out}`);
      cards.push(card);
    }
  } finally {
    await engine.close();
  }
  if (flags.json) output.result(cards.length === 1 ? cards[0] : cards, () => '');
}

const evidence = (card: ResultCard): string =>
  card.seeds[0] < FIRST_TUNING_SEED
    ? ''
    : ` (a ${card.quick ? 'quick' : 'tuning'} run on tuning seeds: not evidence)`;

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
    `verdict  ${card.verdict}${evidence(card)}; seeds ${card.seeds.join(', ')}; ${card.seconds} s`,
  ];
}
