import { type AddCommand, collect, examples } from '../command.ts';
import { createOutput, whole } from '../io.ts';

/** `decant plan`: a dry run. */
export const addPlan: AddCommand = (program, io) =>
  program
    .command('plan')
    .description('check a recipe and its data, and say what a run would do, without training')
    .argument('<recipe>', 'the recipe, a YAML file')
    .option('-s, --set <path=value>', 'set a key of the recipe, for example train.epochs=3', collect)
    .option('--ask-teacher', 'ask a teacher behind an API a few short questions, to see what it can do')
    .option('--full', 'also look for near-duplicates, as the run does')
    .addHelpText(
      'after',
      examples(
        ['decant plan recipe.yaml', 'check before a run'],
        ['decant plan recipe.yaml --set seeds=[1,2,3]', 'with a change'],
      ),
    )
    .action(
      async (
        recipe: string,
        flags: { set?: string[]; full?: boolean; askTeacher?: boolean; json?: boolean },
      ) => {
        const { planRecipe } = await import('../plan.ts');
        const { showData } = await import('../show-data.ts');
        const { showCost } = await import('../show-cost.ts');
        const { showPairing } = await import('../show-pairing.ts');
        const out = createOutput(io, flags);
        const plan = await planRecipe(recipe, flags, io);
        // the client of endpoints is loaded for teachers that are asked over HTTP only
        const api = plan.api ? (await import('../plan-api.ts')).showApi(plan.api) : [];
        for (const line of plan.migrated) out.note(`note: this recipe is of an old version: ${line}`);
        out.result(plan, () =>
          [
            `${plan.recipe}: valid, hash ${plan.hash.slice(0, 12)}`,
            showData(plan.data, out.colour),
            ...(plan.pairing ? ['', showPairing(plan.pairing)] : []),
            '',
            `method ${plan.method}: ${whole(plan.steps)} updates of the student for each of ${plan.seeds.length} seed${plan.seeds.length === 1 ? '' : 's'}`,
            ...showCost(plan.cost),
            ...api,
            out.colour.dim(
              `checked in ${plan.seconds.toFixed(2)} s${flags.full ? '' : '; near-duplicates are looked for in the run, or with --full'}`,
            ),
          ].join('\n'),
        );
      },
    );
