import { z } from 'zod';
import { defineMethod, type Method, type MethodMeta, type MethodNeeds } from '../../methods/method.ts';

type Rival = Pick<Method, 'slug' | 'family' | 'setup' | 'loss'> &
  Pick<MethodMeta, 'title' | 'year' | 'link'> &
  Pick<MethodNeeds, 'signals'>;

/** A method without options that papers compare with and that the catalogue does not list as one of its own. */
export const rival = ({ title, year, link, signals, ...method }: Rival): Method =>
  defineMethod({
    ...method,
    meta: { title, year, link, summary: title, deviations: [] },
    needs: { tasks: ['classify'], signals, labels: 'optional', sameVocabulary: true },
    config: z.strictObject({}),
  });
