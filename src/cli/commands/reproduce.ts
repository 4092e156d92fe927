import { type AddCommand, examples, wholeNumber } from '../command.ts';

export interface ReproduceFlags {
  seeds?: number;
  quick?: boolean;
  out?: string;
  json?: boolean;
}

/** `decant reproduce`: a paper's claim at small scale, and its result card. */
export const addReproduce: AddCommand = (program, io) =>
  program
    .command('reproduce')
    .description("check a paper's directional claim at small scale and write a result card")
    .argument('[slug]', 'a method with a reproduction; without it the list')
    .option('--seeds <n>', 'number of seeds (default: all that the reproduction names)', wholeNumber)
    .option('--quick', 'one seed and fewer steps, to see that it runs; writes no card unless --out names one')
    .option('--out <file>', 'where the card goes (default: results/<slug>.json)')
    .addHelpText(
      'after',
      examples(
        ['decant reproduce', 'what can be reproduced'],
        ['decant reproduce pld', 'all arms on all seeds, then the verdict'],
        ['decant reproduce pld --quick', 'one seed, within a minute'],
      ),
    )
    .action(async (slug: string | undefined, flags: ReproduceFlags) => {
      const { reproduceCommand } = await import('../reproduce.ts');
      await reproduceCommand(slug, flags, io);
    });
