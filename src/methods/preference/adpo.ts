import type { Terms } from '../../train/terms.ts';
import { defineMethod } from '../method.ts';
import { adpoIdentities } from './adpo-identities.ts';
import { type AdpoOptions, adpoConfig, adpoTerms } from './adpo-terms.ts';
import { needsSeveral, responsesOf, watchedTerms } from './responses.ts';

/** Anchored preference optimization: fit soft targets over a list of responses, in coordinates relative to an anchor. */
export const adpo = defineMethod<AdpoOptions>({
  slug: 'adpo',
  family: 'preference',
  meta: {
    title: 'ADPO: Anchored Direct Preference Optimization',
    year: 2025,
    link: 'arXiv 2510.18913',
    summary:
      'fit soft targets over a list of responses, relative to an anchor; SFT, KD and DPO are special cases',
    deviations: [
      'log-probabilities are summed over the response as in the paper and first releases; per_token gives the later ones',
      'pairs without scores count as scores 1 and 0: at beta_r 0.5 the better response gets 0.88 of the target',
      'the kernel of target ranks is reconstructed: ranks among the scores of the batch, by a normal kernel of Silverman’s width',
      'online sampling is not part of a recipe: lists of responses come with the data; an EMA anchor is prefer.reference: moving',
    ],
  },
  needs: { tasks: ['prefer'], signals: [], labels: 'unused', sameVocabulary: false },
  config: adpoConfig,
  loss(input, o) {
    const r = responsesOf(input);
    needsSeveral(r, 'ADPO', 'choose dpo with loss kto for single responses');
    return { ...adpoTerms(r, o, r.vocabulary), ...watchedTerms(r) } as Terms;
  },
  identities: adpoIdentities,
});
