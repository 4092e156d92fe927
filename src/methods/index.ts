import { taid } from './language/taid.ts';
import { dist } from './logits/dist.ts';
import { dkd } from './logits/dkd.ts';
import { kd, supervised } from './logits/kd.ts';
import { logitStandardization } from './logits/logit-standardization.ts';
import { nkd } from './logits/nkd.ts';
import { pld } from './logits/pld.ts';
import type { Method } from './method.ts';

/** Every method with a loss, by slug. A new one is a file in its family's folder and a line here. */
export const methods: Readonly<Record<string, Method>> = Object.fromEntries(
  [kd, supervised, dkd, nkd, dist, logitStandardization, pld, taid].map((m) => [m.slug, m]),
);
