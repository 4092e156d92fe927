import { type AddCommand, examples } from '../command.ts';
import { createOutput } from '../io.ts';

/** `decant vectors`: golden vectors against this build's functions. */
export const addVectors: AddCommand = (program, io) =>
  program
    .command('vectors')
    .description('check golden vectors: values and gradients, in float64 and on onnxruntime')
    .argument('<path...>', 'golden-vector files, or folders of them')
    .addHelpText(
      'after',
      examples(
        ['decant vectors kd-core.json', 'a line per case; fails unless all known cases pass'],
        ['decant vectors tests/vectors', 'every file of a folder'],
      ),
    )
    .action(async (paths: string[], flags: { json?: boolean }) => {
      const { checkVectors, vectorFiles } = await import('../vectors.ts');
      const { allVectors } = await import('../../methods/vectors.ts');
      const out = createOutput(io, flags);
      const { green, red, yellow, dim } = out.colour;
      const marks = { passed: green('passed '), failed: red('FAILED '), unknown: yellow('unknown') };
      const error = (x: number | undefined): string => (x === undefined ? '' : x.toExponential(1));
      const files = paths.flatMap((path) => vectorFiles(path, io.cwd));
      const cases: unknown[] = [];
      const count = await checkVectors(files, allVectors, (r) => {
        cases.push(r);
        const errors =
          r.status === 'passed'
            ? dim(`error ${[error(r.error), error(r.error32)].filter((e) => e !== '').join(', float32 ')}`)
            : r.detail;
        out.line(`${marks[r.status]} ${r.method}/${r.name}  ${errors}`);
      });
      out.result(
        { ...count, cases },
        () => `${count.passed} passed, ${count.failed} failed, ${count.unknown} unknown`,
      );
      if (count.failed > 0) {
        const { DecantError } = await import('../../util/errors.ts');
        throw new DecantError('internal', `${count.failed} golden cases failed`, {
          fix: 'see the lines marked FAILED',
        });
      }
    });
