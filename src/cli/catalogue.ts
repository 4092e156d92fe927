import type { Catalogue } from '../recipe/schema/recipe.ts';

/**
 * The methods and architectures that recipes may name on the command line, loaded when a command needs them.
 * Undefined: names and options are then not checked.
 */
export const loadCatalogue = async (): Promise<Catalogue | undefined> => undefined;
