import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { DecantError } from '../util/errors.ts';
import { describeFolder, describeTokenizer, folderOfOnnx } from './describe-folder.ts';
import type { ModelDescriptor, TokenizerDescriptor } from './descriptor.ts';
import { checkPairing, type PairingNeeds, type PairingReport } from './pairing.ts';
import type { Recipe } from './schema/recipe.ts';

export interface PairingInput {
  recipe: Recipe;
  /** Relative paths start here. */
  baseDir: string;
  /** Class names of the data, for tasks with classes. */
  classes?: readonly string[];
  /** Whether the student's training rows carry labels. */
  labels: boolean;
  methods: Readonly<Record<string, PairingNeeds>>;
}

/** Either a verdict per method, or why the pair could not be looked at before the run. */
export type RecipePairing = PairingReport | { unchecked: string };

export const isChecked = (p: RecipePairing): p is PairingReport => !('unchecked' in p);

/**
 * The pairing check of a recipe, from what model folders and the data say, before anything is trained, downloaded or
 * paid for. Errors: `model` for a folder that cannot be read.
 */
export function pairRecipe(input: PairingInput): RecipePairing {
  const { recipe, labels, methods } = input;
  const student = describeMade(recipe.student, 'student', input);
  const teacher = describeTeacher(input);
  if (teacher && 'unchecked' in teacher) return teacher;
  if ('unchecked' in student) return student;
  return checkPairing(teacher, student, methods, { task: recipe.task, labels });
}

/** Throws `pairing` when the recipe's own method does not fit the pair, with the methods that would. */
export function requireMethod(pairing: RecipePairing, method: string, at = 'method'): void {
  if (!isChecked(pairing)) return;
  const own = pairing.methods.find((m) => m.method === method);
  if (own?.verdict !== 'illegal') return;
  throw new DecantError('pairing', `${method} does not fit this pair: ${own.reasons.join('; ')}`, {
    at,
    allowed: pairing.usable.join(', ') || 'no method of the catalogue',
    fix:
      pairing.usable.length > 0
        ? 'choose a method that fits, or change teacher or student'
        : 'change teacher or student',
  });
}

function describeTeacher(input: PairingInput): ModelDescriptor | { unchecked: string } | undefined {
  const { teacher } = input.recipe;
  if (!teacher) return undefined;
  const path = (p: string): string => (isAbsolute(p) ? p : resolve(input.baseDir, p));
  switch (teacher.kind) {
    case 'trained': {
      const made = describeMade(teacher, 'teacher', input);
      // the members of an ensemble show their common probabilities only
      if ('unchecked' in made || teacher.ensemble === 1) return made;
      return { ...made, signals: { ...made.signals, hidden: undefined } };
    }
    case 'folder': {
      const {
        path: where,
        classes,
        maxLength,
      } = teacher as { path: string; classes?: string[]; maxLength?: number };
      return asUsed(named(describeFolder(path(where), 'teacher'), classes, maxLength), input);
    }
    case 'onnx': {
      const {
        path: where,
        classes,
        maxLength,
      } = teacher as { path: string; classes?: string[]; maxLength?: number };
      if (!existsSync(path(where)))
        throw new DecantError('model', 'no such ONNX file', {
          at: path(where),
          fix: 'teacher.path is relative to the recipe',
        });
      const folder = folderOfOnnx(path(where));
      if (folder) return asUsed(named(describeFolder(folder, 'teacher'), classes, maxLength), input);
      if (classes)
        return {
          name: 'teacher',
          output: 'classes',
          width: classes.length,
          classes,
          signals: { logits: true, topk: classes.length, hidden: [0] },
        };
      return {
        unchecked: 'an ONNX file without config.json beside it says what it puts out when the run opens it',
      };
    }
    case 'hub':
      return { unchecked: 'a model of the hub is looked at when the run has fetched it' };
    default:
      return {
        unchecked: `a teacher behind an API is asked what it can do when the run starts${tokensOf(input)}`,
      };
  }
}

/** What becomes of an API's log-probabilities, where the recipe's method takes them token by token. */
const tokensOf = ({ recipe, methods }: PairingInput): string =>
  recipe.task === 'generate' && methods[recipe.method.name]?.signals.some((set) => set.includes('topk'))
    ? "; where its tokens are those of the student its log-probabilities are learned, elsewhere the token that it wrote, and the report says at how many positions that was (at nearly all with the teacher's tokenizer, student.tokenizer.from)"
    : '';

/** What the task takes from a folder: one score per pair of texts, or the vector of a text. */
function asUsed(model: ModelDescriptor, { recipe: { task } }: PairingInput): ModelDescriptor {
  if (model.output === 'tokens') return model;
  if (task === 'embed' && model.output === 'embedding')
    return { ...model, signals: { hidden: [model.width] } };
  // whether a classifier without class names has one output is seen when it is opened
  if (task === 'rank' && (model.classes?.length ?? 1) === 1)
    return { ...model, output: 'score', width: 1, classes: undefined, signals: { score: true } };
  return model;
}

const named = (
  model: ModelDescriptor,
  classes: readonly string[] | undefined,
  maxLength: number | undefined,
): ModelDescriptor => ({
  ...model,
  ...(classes ? { classes } : {}),
  ...(maxLength === undefined ? {} : { maxLength: Math.min(maxLength, model.maxLength ?? maxLength) }),
});

type Made = Pick<Recipe['student'], 'architecture' | 'from' | 'maxLength' | 'tokenizer' | 'options'>;

/** A tokenizer that the run will train: known by its settings and by the rows, which both models share. */
const madeTokenizer = (model: Made, { recipe }: PairingInput): TokenizerDescriptor | undefined =>
  model.from === undefined && (recipe.task === 'generate' || recipe.task === 'prefer')
    ? { tokens: [], special: {}, trained: JSON.stringify(model.tokenizer ?? {}) }
    : undefined;

/** A model made from scratch for this data, or continued from a local folder. */
function describeMade(
  model: Made,
  name: string,
  input: PairingInput,
): ModelDescriptor | { unchecked: string } {
  const { classes, baseDir, recipe } = input;
  if (model.from?.startsWith('hub:'))
    return { unchecked: `the ${name} is looked at when the run has fetched it` };
  const local = (p: string): string => (isAbsolute(p) ? p : resolve(baseDir, p));
  const tokenizer =
    model.tokenizer?.from && !model.tokenizer.from.startsWith('hub:')
      ? describeTokenizer(local(model.tokenizer.from))
      : undefined;
  // A student that continues from a folder gets a new head for the classes of this data.
  const base: Partial<ModelDescriptor> =
    model.from && !model.from.endsWith('.onnx') ? describeFolder(local(model.from), name) : {};
  const hidden =
    base.signals?.hidden ?? (typeof model.options.hidden === 'number' ? [model.options.hidden] : [0]);
  const length = model.maxLength ?? base.maxLength;
  const found = tokenizer ?? base.tokenizer ?? madeTokenizer(model, input);
  const shared = {
    name,
    ...(found ? { tokenizer: found } : {}),
    ...(length === undefined ? {} : { maxLength: length }),
  };
  if (classes)
    return {
      ...shared,
      output: 'classes',
      width: classes.length,
      classes,
      signals: { logits: true, topk: classes.length, hidden: hidden },
    };
  if (recipe.task === 'generate' || recipe.task === 'prefer') {
    const width = base.width ?? shared.tokenizer?.tokens.length ?? 0;
    return {
      ...shared,
      output: 'tokens',
      width,
      signals: { text: true, logits: true, topk: width || 1, hidden: hidden },
    };
  }
  if (recipe.task === 'diffuse')
    return { ...shared, output: 'sample', width: 1, signals: { weights: true, hidden } };
  return {
    ...shared,
    output: recipe.task === 'rank' ? 'score' : 'embedding',
    width: base.width ?? 1,
    signals: { score: true, hidden: hidden },
  };
}
