/**
 * Writes docs/methods.md from the methods, their reproductions and the result cards: `npm run docs:methods`.
 * A test checks that the page is current.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { z } from 'zod';
import { methods } from '../src/methods/index.ts';
import type { Method } from '../src/methods/method.ts';
import type { ResultCard } from '../src/run/reproduce/index.ts';
import { reproductions } from '../src/run/reproduce/index.ts';

const ROOT = new URL('..', import.meta.url);
export const PAGE = fileURLToPath(new URL('docs/methods.md', ROOT));

/** What other methods are measured against; they need no card of their own. */
export const BASELINES = [
  'kd',
  'supervised',
  'ranknet',
  'ranknet-kd',
  'score-mse',
  'listwise-kl',
  'embedding-kd',
  'contrastive',
  'dpo',
  'uld',
  'sequence-kd',
  'denoising',
  'progressive',
  'consistency',
];

const at = (path: string): string => fileURLToPath(new URL(path, ROOT));

export const recipeOf = (m: Method): string => `recipes/${m.family}/${m.slug}.yaml`;
export const cardPath = (slug: string): string => `results/${slug}.json`;

/** The committed card of a method. */
export function cardOf(slug: string): ResultCard | undefined {
  const file = at(cardPath(slug));
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ResultCard) : undefined;
}

const row = (cells: readonly string[]): string =>
  `| ${cells.map((c) => c.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(header), row(header.map(() => '---')), ...rows.map(row)].join('\n');
const shown = (x: number): string => (Number.isInteger(x) ? String(x) : x.toPrecision(4));

const signals = (m: Method): string =>
  m.needs.signals.length === 0 ? 'no teacher' : m.needs.signals.map((s) => s.join(' + ')).join(' or ');

const verdictText = { reproduced: 'reproduced', partly: 'partly reproduced', not: 'not reproduced' } as const;

function armsTable(card: ResultCard): string {
  const metrics = [...new Set(Object.values(card.arms).flatMap((a) => Object.keys(a.metrics)))];
  const pilot = card.pilot?.figures;
  const rows = Object.entries(card.arms).map(([arm, a]) => [
    arm,
    a.what,
    ...metrics.map((m) => {
      const v = a.metrics[m];
      return v === undefined
        ? ''
        : v.sd === null
          ? shown(v.mean)
          : `${shown(v.mean)} ± ${v.sd.toPrecision(2)}`;
    }),
    ...(pilot ? [pilot[arm] ?? ''] : []),
  ]);
  return table(['arm', 'what', ...metrics, ...(pilot ? ['pilot'] : [])], rows);
}

function reproductionText(card: ResultCard): string[] {
  const r = reproductions[card.slug];
  const metrics = Object.entries(r?.metrics ?? {}).map(([name, what]) => `${name}: ${what}`);
  return [
    `**The paper's claim.** ${card.paper}`,
    '',
    `**Checked here.** ${card.claim} Data: ${card.data.join(', ')}; seeds ${card.seeds.join(', ')}; mean ± standard deviation over seeds. ${metrics.join('; ')}.`,
    '',
    armsTable(card),
    '',
    table(
      ['criterion', 'role', 'ahead by', 'needed', 'holds'],
      card.criteria.map((c) => [
        c.says,
        c.role,
        `${shown(c.ahead)}${c.aheadSd === null ? '' : ` ± ${c.aheadSd.toPrecision(2)}`} (${c.against})`,
        c.needed,
        c.met ? 'yes' : 'no',
      ]),
    ),
    '',
    `**Verdict: ${verdictText[card.verdict]}.** ${card.seconds} s on ${card.hardware}; settings \`${card.settingsHash.slice(0, 16)}\`, ${card.date}.`,
    '',
    ...(card.pilot ? [`Pilot figures: ${card.pilot.differs}.`, ''] : []),
    'Differences from the paper’s experiment:',
    '',
    ...card.differs.map((d) => `- ${d}`),
    '',
  ];
}

function section(m: Method): string[] {
  const schema = z.toJSONSchema(m.config, { io: 'input' }) as {
    properties?: Record<string, { default?: unknown; description?: string }>;
  };
  const options = Object.entries(schema.properties ?? {});
  const card = BASELINES.includes(m.slug) ? undefined : cardOf(m.slug);
  return [
    `## ${m.slug}`,
    '',
    `${m.meta.title} (${m.meta.year}), ${m.meta.link}. Family: ${m.family}. In a sentence: ${m.meta.summary}.`,
    '',
    `Needs: ${signals(m)}; labels ${m.needs.labels}; tasks ${m.needs.tasks.join(', ')}.${
      BASELINES.includes(m.slug) ? '' : ` Recipe: [${recipeOf(m)}](../${recipeOf(m)}).`
    }`,
    '',
    ...(options.length > 0
      ? [
          table(
            ['option', 'default', 'meaning'],
            options.map(([k, o]) => [`\`${k}\``, `\`${JSON.stringify(o.default)}\``, o.description ?? '']),
          ),
          '',
        ]
      : []),
    ...(m.meta.deviations.length > 0
      ? ['Where paper, code and this file differ:', '', ...m.meta.deviations.map((d) => `- ${d}`), '']
      : []),
    ...((m.identities?.length ?? 0) > 0
      ? ['Special cases that the tests check:', '', ...m.identities!.map((i) => `- ${i.name}`), '']
      : []),
    ...(card ? reproductionText(card) : []),
  ];
}

/** Cards beside those of one method: of parts that several methods share, and of further experiments. */
export const FURTHER = Object.keys(reproductions).filter((slug) => !methods[slug] && cardOf(slug));

/** The whole page. */
export function page(): string {
  const all = Object.values(methods);
  const overview = all.map((m) => {
    const card = BASELINES.includes(m.slug) ? undefined : cardOf(m.slug);
    return [
      `[${m.slug}](#${m.slug})`,
      m.family,
      `${m.meta.title} (${m.meta.year})`,
      signals(m),
      m.needs.tasks.join(', '),
      BASELINES.includes(m.slug)
        ? 'baseline'
        : card
          ? `${verdictText[card.verdict]}, ${card.seeds.length} seeds`
          : 'no card',
    ];
  });
  return `${[
    '# Methods',
    '',
    'Generated by `npm run docs:methods` from the method files and the result cards in `results/`. A card comes',
    'from `decant reproduce <slug>`: arms of one budget, last-step results, thresholds that stand in the reproduction’s file',
    'before the run, and a verdict computed from them. How to add a method: [add-a-method.md](add-a-method.md).',
    '',
    table(['method', 'family', 'paper', 'needs', 'tasks', 'reproduction'], overview),
    '',
    ...(FURTHER.length > 0
      ? [`Further reproductions: ${FURTHER.map((slug) => `[${slug}](#${slug})`).join(', ')}.`, '']
      : []),
    ...all.flatMap(section),
    ...FURTHER.flatMap((slug) => [`## ${slug}`, '', ...reproductionText(cardOf(slug)!)]),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) writeFileSync(PAGE, page());
