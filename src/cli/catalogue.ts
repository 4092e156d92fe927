import type { Catalogue } from '../recipe/schema/recipe.ts';

/** The methods and architectures that recipes may name on the command line, loaded when a command needs them. */
export const loadCatalogue = async (): Promise<Catalogue | undefined> => {
  const [{ methods }, { architectureCatalogue }] = await Promise.all([
    import('../methods/index.ts'),
    import('../nn/catalogue.ts'),
  ]);
  return { methods, architectures: architectureCatalogue };
};
