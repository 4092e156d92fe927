import { type AddCommand, examples, wholeNumber } from '../command.ts';

export interface ReproduceFlags {
  seeds?: number;
  quick?: boolean;
  tuning?: boolean;
  out?: string;
  json?: boolean;
}

/** `decant reproduce`: a paper's claim at small scale, and its result card. */
export const addReproduce: AddCommand = (program, io) =>
  program
    .command('reproduce')
    .description("check a paper's directional claim at small scale and write a result card")
    .argument('[slugs...]', 'methods with a reproduction, or all; without any the list')
    .option('--seeds <n>', 'number of seeds (default: all that the reproduction names)', wholeNumber)
    .option('--quick', 'fewer steps and one seed that is not reported, to see that it runs; writes no card')
    .option(
      '--tuning',
      'the full settings on seeds that are not reported, to choose settings; writes no card',
    )
    .option(
      '--out <file>',
      'where the card goes (default: results/<slug>.json, none for fewer seeds, quick and tuning runs; for one method)',
    )
    .addHelpText(
      'after',
      examples(
        ['decant reproduce', 'what can be reproduced'],
        ['decant reproduce pld', 'all arms on all seeds, then the verdict'],
        ['decant reproduce all --quick', 'does every reproduction run? One seed, about a minute each'],
      ),
    )
    .action(async (slugs: string[], flags: ReproduceFlags) => {
      const { reproduceCommand } = await import('../reproduce.ts');
      await reproduceCommand(slugs, flags, io);
    });
