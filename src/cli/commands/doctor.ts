import { type AddCommand, examples } from '../command.ts';
import { createOutput } from '../io.ts';

/** `decant doctor`: what this machine can do, and how to fix what it cannot. */
export const addDoctor: AddCommand = (program, io) =>
  program
    .command('doctor')
    .description('check what this machine can do, and say how to fix what it cannot')
    .addHelpText(
      'after',
      examples(['decant doctor', 'a line per check'], ['decant doctor --json', 'the same for programs']),
    )
    .action(async (flags: { json?: boolean }) => {
      const { examine, worst } = await import('../doctor.ts');
      const out = createOutput(io, flags);
      const checks = await examine(io.env, io.cwd);
      const { green, yellow, red, dim } = out.colour;
      const marks = { ok: green('ok  '), note: yellow('note'), fail: red('fail') };
      out.result({ checks, ok: worst(checks) !== 'fail' }, () =>
        checks
          .map(
            (c) =>
              `${marks[c.state]}  ${c.what}: ${c.found}${c.fix ? `\n      ${dim(`fix: ${c.fix}`)}` : ''}`,
          )
          .join('\n'),
      );
      if (worst(checks) === 'fail') {
        const { DecantError } = await import('../../util/errors.ts');
        throw new DecantError('engine', 'this machine cannot run decant as it is', {
          fix: 'see the lines marked fail',
        });
      }
    });
