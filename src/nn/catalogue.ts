import type { Architecture } from './catalogue/define.ts';
import { graphModels } from './catalogue/graphs.ts';
import { rankingModels } from './catalogue/ranking.ts';
import { textModels } from './catalogue/text.ts';
import { visionModels } from './catalogue/vision.ts';

export type { Architecture, ModelInfo } from './catalogue/define.ts';

/** Architectures that a recipe can make from scratch, by name. */
export const architectureCatalogue: Readonly<Record<string, Architecture>> = {
  ...textModels,
  ...visionModels,
  ...rankingModels,
  ...graphModels,
};
