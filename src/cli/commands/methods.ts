import { type AddCommand, examples } from '../command.ts';
import { createOutput, textTable } from '../io.ts';

/** `decant methods`: the catalogue. */
export const addMethods: AddCommand = (program, io) =>
  program
    .command('methods')
    .description('list the methods with what they need, or describe one with its options and defaults')
    .argument('[name]', 'one method')
    .addHelpText(
      'after',
      examples(
        ['decant methods', 'the catalogue'],
        ['decant methods kd', 'one method: paper, needs, options, deviations'],
      ),
    )
    .action(async (name: string | undefined, flags: { json?: boolean }) => {
      const [{ methods }, { z }, { DecantError }, { didYouMean }] = await Promise.all([
        import('../../methods/index.ts'),
        import('zod'),
        import('../../util/errors.ts'),
        import('../../util/suggest.ts'),
      ]);
      const output = createOutput(io, flags);
      const needsText = (signals: readonly (readonly string[])[]): string =>
        signals.length === 0 ? 'no teacher' : signals.map((s) => s.join(' + ')).join(' or ');
      const describe = (slug: string) => {
        const m = methods[slug];
        return {
          slug,
          family: m.family,
          ...m.meta,
          needs: m.needs,
          options: z.toJSONSchema(m.config, { io: 'input' }),
        };
      };
      if (name === undefined) {
        const rows = Object.values(methods).map((m) => [
          m.slug,
          m.family,
          String(m.meta.year),
          needsText(m.needs.signals),
          m.needs.tasks.join(', '),
          m.meta.summary,
        ]);
        output.result(Object.keys(methods).map(describe), () =>
          textTable(['method', 'family', 'year', 'needs', 'tasks', 'what it does'], rows),
        );
        return;
      }
      if (!methods[name])
        throw new DecantError('usage', 'unknown method', {
          seen: name,
          allowed: Object.keys(methods).join(', '),
          fix: didYouMean(name, Object.keys(methods)),
        });
      const d = describe(name);
      output.result(d, () => {
        const properties =
          (d.options as { properties?: Record<string, { default?: unknown; description?: string }> })
            .properties ?? {};
        return [
          `${output.colour.bold(d.slug)}  ${d.title} (${d.year}), ${d.link}`,
          d.summary,
          '',
          `needs    ${needsText(d.needs.signals)}; labels ${d.needs.labels}; tasks ${d.needs.tasks.join(', ')}`,
          ...Object.entries(properties).map(
            ([key, o]) => `option   ${key} = ${JSON.stringify(o.default)}: ${o.description ?? ''}`,
          ),
          ...d.deviations.map((text) => `differs  ${text}`),
        ].join('\n');
      });
    });
