import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { didYouMean } from '../util/suggest.ts';
import { explainIssues } from './explain.ts';
import { migrate } from './migrate.ts';
import { applyOverride, type Override, parseOverride } from './overrides.ts';
import { type Path, showPath } from './paths.ts';
import {
  type Catalogue,
  crossChecks,
  type Finding,
  normalized,
  type Recipe,
  recipeSchema,
  recipeVersion,
} from './schema/recipe.ts';
import { offsetOf, parseYaml, type YamlRecipe } from './yaml.ts';

export interface ParseOptions {
  /** For messages. */
  file: string;
  /** `path=value`, applied in order before anything is checked. */
  set?: readonly string[];
  /** Methods and architectures whose names and options are checked; without it any name passes. */
  catalogue?: Catalogue;
}

export interface ParsedRecipe {
  recipe: Recipe;
  /** What was migrated, as lines for people; [] for the current version. */
  migrated: string[];
  /** SHA-256 over everything that can change a result. */
  hash: string;
}

/** A finding at its place: `recipe.yaml:4:3` or `--set train.epochs=x`. */
export interface PlacedFinding extends Finding {
  at: string;
  line?: number;
  column?: number;
}

/** The error of a recipe that does not validate: all findings at once. */
export interface RecipeError extends DecantError {
  findings: PlacedFinding[];
}

/** Reads a recipe from YAML. Errors: `recipe` with file, line, column, path, value, what is allowed and the nearest name; `usage` for bad overrides. */
export function parseRecipe(text: string, options: ParseOptions): ParsedRecipe {
  const yaml = parseYaml(text, options.file);
  if (yaml.errors.length > 0)
    throw recipeError(
      yaml.errors.map((e) => ({ ...e, at: `${options.file}:${e.line}:${e.column}` })),
      options.file,
    );
  const migrated = migrate(yaml.doc);
  const overrides: Override[] = [];
  for (const set of options.set ?? []) {
    const override = parseOverride(set, yaml.doc.toJS());
    overrides.push(override);
    applyOverride(yaml.doc, override);
  }
  const input: unknown = yaml.doc.toJS();
  const { recipe, findings } = validateRecipe(input, options.catalogue);
  if (!recipe || findings.length > 0)
    throw recipeError(
      findings.map((f) => placed(f, yaml, overrides)),
      options.file,
    );
  return { recipe, migrated, hash: recipeHash(recipe) };
}

/** Validates a recipe given as plain data, with the options of its method and models. */
export function validateRecipe(
  input: unknown,
  catalogue?: Catalogue,
): { recipe?: Recipe; findings: Finding[] } {
  const version = (input as { version?: unknown } | undefined)?.version;
  if (typeof version === 'number' && version > recipeVersion)
    return {
      findings: [
        {
          path: ['version'],
          message: 'was written by a newer release',
          seen: version,
          allowed: `up to ${recipeVersion}`,
          fix: 'update decant',
        },
      ],
    };
  const parsed = recipeSchema.safeParse(input);
  if (!parsed.success) return { findings: explainIssues(recipeSchema, input, parsed.error.issues) };
  const recipe = withTaskDefaults(normalized(parsed.data));
  const findings = crossChecks(recipe);
  if (catalogue) checkCatalogue(recipe, catalogue, findings);
  return { recipe, findings };
}

/** Defaults that depend on the task. */
function withTaskDefaults(recipe: Recipe): Recipe {
  const { data, train } = recipe;
  const whitespace =
    data.normalize.whitespace ??
    (recipe.task === 'generate' || recipe.task === 'prefer' ? 'trim' : 'collapse');
  const epochs = train.epochs ?? (train.steps === undefined ? 10 : undefined);
  const teacher = recipe.teacher;
  const own =
    teacher?.kind === 'trained'
      ? {
          ...teacher,
          train: {
            ...teacher.train,
            epochs: teacher.train.epochs ?? (teacher.train.steps === undefined ? 10 : undefined),
          },
        }
      : teacher;
  return {
    ...recipe,
    data: { ...data, normalize: { ...data.normalize, whitespace } },
    train: { ...train, epochs },
    teacher: own,
  };
}

function checkCatalogue(recipe: Recipe, catalogue: Catalogue, findings: Finding[]): void {
  const { method, task } = recipe;
  const names = Object.keys(catalogue.methods);
  const entry = Object.hasOwn(catalogue.methods, method.name) ? catalogue.methods[method.name] : undefined;
  if (!entry) {
    findings.push({
      path: ['method', 'name'],
      message: 'there is no such method',
      seen: method.name,
      allowed: names.join(', '),
      fix: didYouMean(method.name, names) ?? 'see decant methods',
    });
  } else {
    const options = entry.config.safeParse(method.options);
    if (options.success) method.options = options.data as Record<string, unknown>;
    else
      findings.push(
        ...explainIssues(entry.config, method.options, options.error.issues, ['method', 'options']),
      );
    if (!entry.needs.tasks.includes(task))
      findings.push({
        path: ['method', 'name'],
        message: `${method.name} does not serve task ${task}`,
        seen: method.name,
        allowed: names.filter((n) => catalogue.methods[n].needs.tasks.includes(task)).join(', '),
      });
    if (entry.needs.signals.length > 0 && !recipe.teacher)
      findings.push({
        path: ['teacher'],
        message: 'is missing',
        allowed: 'trained, folder, onnx, hub, api',
        fix: `${method.name} learns from a teacher: add a teacher section`,
      });
  }
  const architectures = catalogue.architectures;
  if (!architectures) return;
  const models = [
    ['student', recipe.student] as const,
    ...(recipe.teacher?.kind === 'trained' ? [['teacher', recipe.teacher] as const] : []),
  ];
  for (const [section, model] of models) {
    if (model.architecture === undefined) continue;
    const known = Object.keys(architectures);
    const found = Object.hasOwn(architectures, model.architecture)
      ? architectures[model.architecture]
      : undefined;
    if (!found) {
      findings.push({
        path: [section, 'architecture'],
        message: 'there is no such architecture',
        seen: model.architecture,
        allowed: known.join(', '),
        fix: didYouMean(model.architecture, known),
      });
      continue;
    }
    if (!found.tasks.includes(task))
      findings.push({
        path: [section, 'architecture'],
        message: `${model.architecture} does not serve task ${task}`,
        seen: model.architecture,
        allowed: known.filter((n) => architectures[n].tasks.includes(task)).join(', '),
      });
    const options = found.options.safeParse(model.options);
    if (options.success) model.options = options.data as Record<string, unknown>;
    else
      findings.push(
        ...explainIssues(found.options, model.options, options.error.issues, [section, 'options']),
      );
  }
}

function placed(finding: Finding, yaml: YamlRecipe, overrides: readonly Override[]): PlacedFinding {
  const { path } = finding;
  const override = overrides.findLast(
    (o) => startsWith(path, o.path) || (startsWith(o.path, path) && finding.seen !== undefined),
  );
  if (override) return { ...finding, at: `--set ${override.text}` };
  const unknown = finding.message === 'unknown key';
  // `method: kd` has no node for method.name: the shorthand's own place is the right one.
  const offset = offsetOf(yaml.doc, path, unknown) ?? 0;
  const { line, column } = yaml.position(offset);
  return { ...finding, at: `${yaml.file}:${line}:${column}`, line, column };
}

const startsWith = (path: Path, start: Path): boolean => start.every((part, i) => path[i] === part);

function recipeError(findings: PlacedFinding[], file: string): RecipeError {
  const sorted = [...findings].sort(
    (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  );
  const at = (f: PlacedFinding): string => (f.path.length > 0 ? `${f.at} ${showPath(f.path)}` : f.at);
  const single = (f: PlacedFinding): DecantError =>
    new DecantError('recipe', f.message, {
      at: at(f),
      seen: f.seen,
      allowed: f.allowed || undefined,
      fix: f.fix,
    });
  const error =
    sorted.length === 1
      ? single(sorted[0])
      : new DecantError(
          'recipe',
          `${sorted.length} problems\n${sorted.map((f) => `  ${single(f).message}`).join('\n')}`,
          { at: file },
        );
  return Object.assign(error, { findings: sorted });
}

/** Names a recipe by everything that can change a result: name and description are left out. */
export function recipeHash(recipe: Recipe): string {
  const { name: _name, description: _description, ...rest } = recipe;
  return contentHash(JSON.parse(JSON.stringify(rest)));
}
