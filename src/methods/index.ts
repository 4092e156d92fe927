import { taid } from './language/taid.ts';
import { kd, supervised } from './logits/kd.ts';
import { pld } from './logits/pld.ts';
import type { Method } from './method.ts';

/** Every method with a loss, by slug. A new one is a file in its family's folder and a line here. */
export const methods: Readonly<Record<string, Method>> = Object.fromEntries(
  [kd, supervised, pld, taid].map((m) => [m.slug, m]),
);
