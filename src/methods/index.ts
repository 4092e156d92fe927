import { symbolicKd } from './data/symbolic-kd.ts';
import { lelp } from './features/lelp.ts';
import { boot } from './generative/boot.ts';
import { consistency } from './generative/consistency.ts';
import { denoising } from './generative/denoising.ts';
import { progressive } from './generative/progressive.ts';
import { ffG2m } from './graph/ff-g2m.ts';
import { sequenceKd } from './language/sequence-kd.ts';
import { taid } from './language/taid.ts';
import { uld } from './language/uld.ts';
import { dhkd } from './logits/dhkd.ts';
import { dist } from './logits/dist.ts';
import { dkd } from './logits/dkd.ts';
import { kd, supervised } from './logits/kd.ts';
import { logitStandardization } from './logits/logit-standardization.ts';
import { nkd } from './logits/nkd.ts';
import { pld } from './logits/pld.ts';
import type { Method } from './method.ts';
import { adpo } from './preference/adpo.ts';
import { dpo } from './preference/dpo.ts';
import { contrastive } from './ranking/contrastive.ts';
import { embeddingKd } from './ranking/embedding-kd.ts';
import { listwiseKlDistillation } from './ranking/listwise-kl.ts';
import { marginMseDistillation } from './ranking/margin-mse.ts';
import { ranknet } from './ranking/ranknet.ts';
import { ranknetKd } from './ranking/ranknet-kd.ts';
import { scoreMse } from './ranking/score-mse.ts';

/** Every method with a loss, by slug. A new one is a file in its family's folder and a line here. */
export const methods: Readonly<Record<string, Method>> = Object.fromEntries(
  [
    kd,
    supervised,
    dkd,
    nkd,
    dist,
    logitStandardization,
    pld,
    dhkd,
    taid,
    uld,
    sequenceKd,
    lelp,
    ffG2m,
    symbolicKd,
    marginMseDistillation,
    ranknet,
    ranknetKd,
    scoreMse,
    listwiseKlDistillation,
    embeddingKd,
    contrastive,
    dpo,
    adpo,
    boot,
    denoising,
    progressive,
    consistency,
  ].map((m) => [m.slug, m]),
);
