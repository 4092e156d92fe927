import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BASELINES, cardOf, cardPath, FURTHER, PAGE, page, recipeOf } from '../scripts/methods-doc.ts';
import type { VectorFile } from '../src/losses/vectors/index.ts';
import { methods } from '../src/methods/index.ts';
import { FIRST_TUNING_SEED, plannedRun, reproductions } from '../src/run/reproduce/index.ts';

const published = Object.values(methods).filter((m) => !BASELINES.includes(m.slug));

/** Methods whose loss is one of src/losses: the function of kd-core.json that their golden cases call. */
const IN_CORE: Record<string, string> = {
  dkd: 'alpha*TCKD + beta*NCKD (times tau^2, / batch)',
  nkd: '-mean(p_T(y) log p_S(y)) - gamma*tau^2*mean sum_{c!=y} N_T(c) log N_S(c)',
  dist: 'tau^2*(beta*inter + gamma*intra), Pearson correlations of softmax(z/tau) rows / columns',
  'logit-standardization':
    'same as hinton_kd with z-scored logits (unbiased std over classes, + eps 1e-7) in the KL; CE on raw logits',
};
const core = JSON.parse(readFileSync('tests/vectors/kd-core.json', 'utf8')) as VectorFile;

describe('methods', () => {
  it('the index lists every method file', () => {
    const families = readdirSync('src/methods', { withFileTypes: true }).filter(
      (d) => d.isDirectory() && d.name !== 'testing',
    );
    const files = families.flatMap((d) =>
      readdirSync(`src/methods/${d.name}`)
        .filter((f) => /^[\w-]+\.ts$/.test(f))
        .filter((f) => readFileSync(`src/methods/${d.name}/${f}`, 'utf8').includes('defineMethod'))
        .map((f) => `${d.name}/${f.replace('.ts', '')}`),
    );
    expect(files.sort()).toEqual(
      Object.values(methods)
        .filter((m) => m.slug !== 'supervised')
        .map((m) => `${m.family}/${m.slug}`)
        .sort(),
    );
  });

  it.each(published.map((m) => m.slug))('%s: recipe, vectors, test, reproduction, card, docs', (slug) => {
    const m = methods[slug];
    const wanted = [
      recipeOf(m),
      ...(IN_CORE[slug] ? [] : [`tests/vectors/${slug}.json`, `src/methods/${m.family}/${slug}.vectors.ts`]),
      `src/methods/${m.family}/${slug}.test.ts`,
      cardPath(slug),
    ];
    expect(wanted.filter((f) => !existsSync(f))).toEqual([]);
    if (IN_CORE[slug]) expect(core.cases.map((c) => c.function)).toContain(IN_CORE[slug]);
    expect(readFileSync(`src/methods/${m.family}/${slug}.test.ts`, 'utf8')).toMatch(/^checkMethod\(/m);
    expect(Object.keys(reproductions)).toContain(slug);
    expect(readFileSync(PAGE, 'utf8')).toContain(`\n## ${slug}\n`);
  });

  it.each([...published.map((m) => m.slug), ...FURTHER])(
    '%s: the card is one of the settings as they stand',
    (slug) => {
      const card = cardOf(slug)!;
      const r = reproductions[slug];
      const plan = plannedRun(r, {});
      expect(card).toMatchObject({ slug, quick: false, seeds: r.seeds, settingsHash: plan.hash });
      expect(card.seeds.length).toBeGreaterThanOrEqual(3);
      expect(Math.max(...card.seeds)).toBeLessThan(FIRST_TUNING_SEED);
      for (const arm of Object.keys(r.arms)) {
        for (const m of Object.values(card.arms[arm].metrics))
          expect(m.values).toHaveLength(card.seeds.length);
      }
    },
  );

  it('docs/methods.md is current', () => {
    expect(readFileSync(PAGE, 'utf8'), 'run: npm run docs:methods').toBe(page());
  });
});
