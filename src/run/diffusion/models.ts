import { noiseProcesses } from '../../losses/diffusion/process.ts';
import type { DiffusionSetting } from '../../losses/diffusion/setting.ts';
import { isDecoder } from '../../nn/auto.ts';
import { architectureCatalogue } from '../../nn/catalogue.ts';
import type { AnyModel } from '../../nn/model.ts';
import { type DiffusionSection, diffusionSection } from '../../recipe/schema/diffusion.ts';
import type { Recipe } from '../../recipe/schema/recipe.ts';
import { DecantError } from '../../util/errors.ts';
import type { SampleForm } from './samples.ts';

/** The recipe's section, with defaults where there is none. */
export const sectionOf = (recipe: Recipe): DiffusionSection =>
  (recipe as { diffusion?: DiffusionSection }).diffusion ?? diffusionSection.parse({});

export const settingOf = (s: DiffusionSection, form: SampleForm): DiffusionSetting => ({
  process: noiseProcesses[s.schedule],
  prediction: s.prediction,
  tMin: s.tMin,
  tMax: s.tMax,
  shape: form.shape,
  classes: 0,
});

interface Made {
  architecture?: string;
  options: Record<string, unknown>;
  from?: string;
}

const fitting = (): string[] =>
  Object.keys(architectureCatalogue).filter((n) => architectureCatalogue[n].tasks.includes('diffuse'));

/** Whether the architecture takes images as one row of numbers. */
export const takesRows = ({ architecture }: Made): boolean => architecture === 'diffusion-mlp';

/** A diffusion backbone for samples of this form. Errors: `recipe` for architectures or options that do not fit. */
export function buildBackbone(settings: Made, form: SampleForm, at: 'teacher' | 'student'): AnyModel {
  const name = settings.architecture;
  if (name === undefined)
    throw new DecantError('recipe', 'networks of task diffuse are made from scratch', {
      at: `${at}.from`,
      seen: settings.from,
      fix: `name an architecture: ${fitting().join(', ')}`,
    });
  const entry = architectureCatalogue[name];
  if (!entry?.tasks.includes('diffuse'))
    throw new DecantError('recipe', 'the architecture does not serve task diffuse', {
      at: `${at}.architecture`,
      seen: name,
      allowed: fitting().join(', '),
    });
  const parsed = entry.options.safeParse(settings.options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DecantError('recipe', issue.message, {
      at: [at, 'options', ...issue.path].join('.'),
      seen: settings.options,
    });
  }
  if ((parsed.data as { conditional?: boolean }).conditional)
    throw new DecantError('recipe', 'task diffuse draws without classes', {
      at: `${at}.options.conditional`,
      seen: true,
      fix: 'leave it out; a network for one class is trained on the rows of that class',
    });
  const [height, width, channels] = form.image ?? [];
  if (!takesRows(settings) && (height === undefined || height !== width))
    throw new DecantError('recipe', 'the architecture takes square images', {
      at: `${at}.architecture`,
      seen: form.image ? `${height} × ${width}` : 'rows of numbers',
      allowed: 'diffusion-mlp for rows of numbers',
      fix: form.image ? 'set data.image.size: [n, n]' : undefined,
    });
  const model = entry.make(parsed.data as never, {
    dimensions: form.shape.reduce((a, b) => a * b, 1),
    imageSize: height,
    channels,
  });
  if (isDecoder(model)) throw new DecantError('internal', 'a decoder is no diffusion backbone', { at });
  return model;
}
