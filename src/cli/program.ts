import { Command, CommanderError } from 'commander';
import { type DecantError, isDecantError } from '../util/errors.ts';
import { commands } from './commands/index.ts';
import { exitCodes, exitMeanings } from './exit-codes.ts';
import type { Io } from './io.ts';

const exitTable = (): string =>
  `\nExit codes: 0 success, ${Object.entries(exitCodes)
    .map(([code, n]) => `${n} ${code}`)
    .join(', ')}\n`;

/** The program with every command; nothing heavy is loaded before a command runs. */
export function createProgram(io: Io, version: string): Command {
  const program = new Command('decant')
    .description('Pours a big model into a small one: knowledge distillation and preference optimization.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText(
      'after',
      `\nStart with "decant init" and "decant plan recipe.yaml". Every command takes --json.${exitTable()}`,
    )
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (t) => io.stdout.write(t),
      writeErr: (t) => io.stderr.write(t),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
    });
  for (const add of commands) {
    const command = add(program, io);
    command.exitOverride().configureOutput(program.configureOutput());
    command.option('--json', 'print the result as JSON');
  }
  return program;
}

/** Runs the command line and returns its exit code; never throws, never ends the process. */
export async function runCli(args: readonly string[], io: Io, version: string): Promise<number> {
  try {
    await createProgram(io, version).parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version come as errors with exit code 0; commander has already printed what there is to say.
      return error.exitCode === 0 ? 0 : exitCodes.usage;
    }
    return report(error, io, args.includes('--json'));
  }
}

function report(error: unknown, io: Io, json: boolean): number {
  const known: DecantError | undefined = isDecantError(error) ? error : undefined;
  const code = known?.code ?? 'internal';
  if (json) {
    const { message } = error as Error;
    const findings = (error as { findings?: unknown }).findings;
    io.stdout.write(
      `${JSON.stringify({ error: { code, exitCode: exitCodes[code], message, ...known?.details, cause: undefined, findings } }, null, 2)}\n`,
    );
  } else {
    io.stderr.write(`error (${code}): ${(error as Error).message}\n`);
    if (!known)
      io.stderr.write(
        `${(error as Error).stack}\nThis is ${exitMeanings.internal}; please report it with the lines above.\n`,
      );
    else if (io.env.DECANT_DEBUG) io.stderr.write(`${known.stack}\n`);
  }
  return exitCodes[code];
}
