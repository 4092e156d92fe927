import { adpo } from './adpo.ts';
import { boot } from './boot.ts';
import { dhkd } from './dhkd.ts';
import { diffusionCore } from './diffusion-core.ts';
import { ffG2m } from './ff-g2m.ts';
import { lelp } from './lelp.ts';
import { classics } from './logits.ts';
import { marginMse } from './margin-mse.ts';
import { marginMseCranfield } from './margin-mse-cranfield.ts';
import { pld } from './pld.ts';
import { symbolicKd } from './symbolic-kd.ts';
import { taid } from './taid.ts';
import type { Reproduction } from './types.ts';

export { FIRST_TUNING_SEED, plannedRun, type ReproduceOptions, reproduce } from './reproduce.ts';
export type { Reproduction, ResultCard } from './types.ts';

/** Every reproduction, by slug. A new one is a file in this folder and a line here. */
export const reproductions: Readonly<Record<string, Reproduction>> = Object.fromEntries(
  [
    adpo,
    boot,
    diffusionCore,
    pld,
    dhkd,
    symbolicKd,
    taid,
    lelp,
    marginMse,
    marginMseCranfield,
    ffG2m,
    ...classics,
  ].map((r) => [r.slug, r]),
);
