import { z } from 'zod';
import { hasClasses } from '../../data/prepare.ts';
import { tasks } from '../../data/roles.ts';
import type { Task } from '../../data/types.ts';
import type { MethodNeeds } from '../../methods/method.ts';
import { didYouMean } from '../../util/suggest.ts';
import { dataSection } from './data.ts';
import { diffusionSection } from './diffusion.ts';
import { studentSection } from './model.ts';
import { evaluateSection, exportSection } from './outcome.ts';
import { preferSection } from './prefer.ts';
import { teacherSection } from './teacher.ts';
import { trainSection } from './train.ts';

/** The version this release writes; older ones are migrated when they are read. */
export const recipeVersion = 1;

/** What the recipe layer must know of a method; the entries of the method catalogue have this shape. */
export interface MethodEntry {
  readonly slug: string;
  readonly meta: { readonly title: string; readonly summary: string };
  readonly needs: MethodNeeds;
  /** Schema of `method.options`. */
  readonly config: z.ZodType;
}

/** What it must know of an architecture. */
export interface ArchitectureEntry {
  readonly tasks: readonly string[];
  readonly summary: string;
  /** Schema of `student.options`. */
  readonly options: z.ZodType;
}

/** Methods and architectures that recipes may name; given to the parser, never looked up in a global. */
export interface Catalogue {
  methods: Readonly<Record<string, MethodEntry>>;
  architectures?: Readonly<Record<string, ArchitectureEntry>>;
}

const methodSection = z
  .union([
    z.string().min(1),
    z.strictObject({
      name: z.string().min(1).describe('a method of `decant methods`'),
      options: z.record(z.string(), z.unknown()).default({}).describe("the method's own options"),
    }),
  ])
  .describe('how the student learns from the teacher: a name, or a name with options');

const seedList = z
  .union([z.int().nonnegative(), z.array(z.int().nonnegative()).min(1)])
  .default([1])
  .describe('one run per seed; figures are means and standard deviations over them');

/** The recipe as written, without looking into options of methods and architectures. */
export const recipeSchema = z
  .strictObject({
    version: z.literal(recipeVersion).describe('version of the recipe format'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
      .optional()
      .describe('name of the run folder and of the exported model'),
    description: z.string().optional().describe('goes to the report and the model card'),
    task: z.enum(tasks as [string, ...string[]]).describe('what the student is to do'),
    data: dataSection,
    teacher: teacherSection.optional(),
    student: studentSection,
    method: methodSection,
    prefer: preferSection.optional(),
    diffusion: diffusionSection.optional(),
    train: trainSection.prefault({}),
    evaluate: evaluateSection,
    export: exportSection,
    seeds: seedList,
  })
  .describe('A Decant recipe: teacher, student, data and method of one distillation run');

type Raw = z.output<typeof recipeSchema>;

/** A recipe with every default filled in. */
export type Recipe = Omit<Raw, 'method' | 'seeds' | 'data' | 'export'> & {
  /** int4 reaches language models only: a run refuses it elsewhere. */
  export: Omit<Raw['export'], 'formats'> & { formats: ('fp32' | 'int8')[] };
  method: { name: string; options: Record<string, unknown> };
  seeds: number[];
  data: Raw['data'];
};

/** A rule across sections, or inside options that a catalogue describes: path, message, and what could stand there. */
export interface Finding {
  path: (string | number)[];
  message: string;
  seen?: unknown;
  allowed?: string;
  fix?: string;
}

/** Shorthands expanded. */
export const normalized = (raw: Raw): Recipe => ({
  ...raw,
  export: raw.export as Recipe['export'],
  method: typeof raw.method === 'string' ? { name: raw.method, options: {} } : raw.method,
  seeds: Array.isArray(raw.seeds) ? raw.seeds : [raw.seeds],
});

/** Rules that no single section can check. */
export function crossChecks(recipe: Recipe): Finding[] {
  const findings: Finding[] = [];
  const twice = recipe.seeds.find((s, i) => recipe.seeds.indexOf(s) !== i);
  if (twice !== undefined)
    findings.push({
      path: ['seeds'],
      message: 'a seed is listed twice',
      seen: twice,
      fix: 'runs with the same seed are the same run',
    });
  for (const [i, slice] of recipe.evaluate.slices.entries())
    if (!recipe.data.keep.includes(slice))
      findings.push({
        path: ['evaluate', 'slices', i],
        message: 'slices need their column in data.keep',
        seen: slice,
        allowed: recipe.data.keep.join(', ') || 'nothing yet',
        fix: didYouMean(slice, recipe.data.keep) ?? `add ${slice} to data.keep`,
      });
  if (recipe.data.streaming && recipe.data.balance !== 'none')
    findings.push({
      path: ['data', 'balance'],
      message: 'classes cannot be evened out while streaming',
      seen: recipe.data.balance,
      allowed: 'none',
    });
  if (recipe.data.ranking && recipe.task !== 'rank')
    findings.push({
      path: ['data', 'ranking'],
      message: `task ${recipe.task} has no candidates to rank`,
      fix: 'remove the section',
    });
  if (recipe.data.classes && !hasClasses(recipe.task as Task))
    findings.push({
      path: ['data', 'classes'],
      message: `task ${recipe.task} has no classes`,
      fix: 'remove the line',
    });
  if (recipe.data.graph && recipe.task !== 'node-classify')
    findings.push({
      path: ['data', 'graph'],
      message: `task ${recipe.task} has no graph`,
      fix: 'remove it, or set task: node-classify',
    });
  if (recipe.diffusion && recipe.task !== 'diffuse')
    findings.push({
      path: ['diffusion'],
      message: `task ${recipe.task} has no noise levels`,
      fix: 'remove the section, or set task: diffuse',
    });
  if (recipe.prefer && recipe.task !== 'prefer')
    findings.push({
      path: ['prefer'],
      message: `task ${recipe.task} has no preferences`,
      fix: 'remove the section, or set task: prefer',
    });
  if (recipe.prefer?.reference === 'teacher' && !recipe.teacher)
    findings.push({
      path: ['prefer', 'reference'],
      message: 'the reference is to be the teacher, and there is none',
      seen: 'teacher',
      allowed: 'start, moving',
      fix: 'add a teacher section',
    });
  const share = (['validation', 'test'] as const).reduce((sum, name) => {
    const value = recipe.data[name];
    return sum + (typeof value === 'number' && value < 1 ? value : 0);
  }, 0);
  if (share >= 1)
    findings.push({
      path: ['data', 'test'],
      message: 'validation and test together hold out everything',
      seen: share,
      allowed: 'shares that sum to less than 1',
    });
  return findings;
}
