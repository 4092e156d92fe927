import { describe, expect, it } from 'vitest';
import { parse as parseYamlText } from 'yaml';
import { z } from 'zod';
import { dataDefaults } from '../data/spec.ts';
import { recipeJsonSchema } from './json-schema.ts';
import { serializeRecipe } from './load.ts';
import { parseRecipe, type RecipeError } from './parse.ts';
import type { Catalogue } from './schema/recipe.ts';

const good = `version: 1
task: classify
data:
  train: dataset:banking77
teacher:
  kind: trained
  architecture: bert
student:
  architecture: bag
method: kd
train:
  epochs: 3
`;

const catalogue: Catalogue = {
  methods: {
    kd: {
      slug: 'kd',
      meta: { title: 'KD', summary: 'softened labels' },
      needs: { tasks: ['classify'], signals: [['logits']], labels: 'optional', sameVocabulary: true },
      config: z.strictObject({ temperature: z.number().positive().default(4).describe('softens both') }),
    },
    none: {
      slug: 'none',
      meta: { title: 'None', summary: 'labels only' },
      needs: { tasks: ['classify', 'generate'], signals: [], labels: 'required', sameVocabulary: false },
      config: z.strictObject({}),
    },
  },
  architectures: {
    bag: {
      tasks: ['classify'],
      summary: 'bag of n-grams',
      options: z.strictObject({ width: z.int().default(64) }),
    },
    bert: {
      tasks: ['classify'],
      summary: 'encoder',
      options: z.strictObject({ layers: z.int().default(2) }),
    },
    cnn: { tasks: ['image-classify'], summary: 'convolutions', options: z.strictObject({}) },
  },
};

const read = (text: string, options: { set?: string[]; catalogue?: Catalogue } = {}) =>
  parseRecipe(text, { file: 'r.yaml', ...options });
const message = (text: string, options: { set?: string[]; catalogue?: Catalogue } = {}): string => {
  try {
    read(text, options);
  } catch (e) {
    return (e as Error).message;
  }
  return 'no error';
};

describe('parseRecipe', () => {
  it('fills in every default and expands shorthands', () => {
    const { recipe } = read(good);
    expect(recipe.method).toEqual({ name: 'kd', options: {} });
    expect(recipe.seeds).toEqual([1]);
    expect(recipe.train).toMatchObject({ epochs: 3, batchSize: 32, optimizer: { name: 'adamw', lr: 1e-3 } });
    expect(recipe.teacher).toMatchObject({ kind: 'trained', train: { epochs: 10 }, batchSize: 64 });
    const { duplicates, contradictions, balance, seed } = recipe.data;
    expect({ duplicates, contradictions, balance, seed }).toEqual({
      duplicates: dataDefaults.duplicates,
      contradictions: dataDefaults.contradictions,
      balance: dataDefaults.balance,
      seed: dataDefaults.seed,
    });
  });

  it.each([
    [
      'epochs: 3',
      'epoch: 3',
      /^r\.yaml:12:3 train\.epoch: unknown key; seen: 3; allowed: epochs, .*did you mean "epochs"/,
    ],
    [
      'task: classify',
      'task: clasify',
      /^r\.yaml:2:7 task: is not one of.*seen: "clasify".*did you mean "classify"/,
    ],
    ['version: 1\n', '', /version: is missing; allowed: 1/],
    [
      'kind: trained',
      'kind: api',
      /^r\.yaml: 2 problems[\s\S]*teacher\.model: is missing[\s\S]*teacher\.architecture: unknown key/,
    ],
    [
      '  kind: trained\n',
      '',
      /^r\.yaml:5:1 teacher\.kind: is missing; allowed: trained, folder, onnx, hub, api/,
    ],
    ['epochs: 3', 'epochs: [3]', /^r\.yaml:12:11 train\.epochs: is a list; seen: \[3\]; allowed: a number/],
    [
      'train: dataset:banking77',
      'train: {sorce: x}',
      /data\.train\.sorce: unknown key.*did you mean "source"/,
    ],
    [
      'train: dataset:banking77',
      'train: []',
      /^r\.yaml:4:10 data\.train: is a list; seen: \[\]; allowed: text, or a mapping/,
    ],
    ['  architecture: bag', '  {}', /student: needs either architecture.*or from/],
    ['epochs: 3', 'epochs: 3\n  steps: 4', /train: epochs and steps exclude each other/],
    ['epochs: 3', 'epochs: 3\n  epochs: 4', /^r\.yaml:13:3: this key is given twice/],
    ['  epochs: 3', '\tepochs: 3', /^r\.yaml:12:1: a tab is used for indentation/],
  ])('%s -> %s', (from, to, expected) => {
    expect(message(good.replace(from, to))).toMatch(expected);
  });

  it('reports all problems at once, in the order of the file', () => {
    try {
      read(good.replace('epochs: 3', 'epochs: x\n  batchSize: 0\n  bogus: 1').replace('classify', 'clasify'));
    } catch (e) {
      const { findings, code } = e as RecipeError;
      expect(code).toBe('recipe');
      expect(findings.map((f) => [f.line, f.path.join('.')])).toEqual([
        [2, 'task'],
        [12, 'train.epochs'],
        [13, 'train.batchSize'],
        [14, 'train.bogus'],
      ]);
      return;
    }
    expect.unreachable();
  });

  it('checks methods, their options and architectures against the catalogue that is given', () => {
    expect(read(good, { catalogue }).recipe).toMatchObject({
      method: { options: { temperature: 4 } },
      student: { options: { width: 64 } },
    });
    expect(message(good.replace('method: kd', 'method: kdd'), { catalogue })).toMatch(
      /^r\.yaml:10:9 method\.name: there is no such method; seen: "kdd"; allowed: kd, none; fix: did you mean "kd"/,
    );
    expect(
      message(good.replace('method: kd', 'method: {name: kd, options: {temprature: 2}}'), { catalogue }),
    ).toMatch(/^r\.yaml:10:\d+ method\.options\.temprature: unknown key.*did you mean "temperature"/);
    expect(message(good.replace('architecture: bag', 'architecture: cnn'), { catalogue })).toMatch(
      /^r\.yaml:9:17 student\.architecture: cnn does not serve task classify.*allowed: bag, bert/,
    );
    expect(message(good.replace(/teacher:\n.*\n.*\n/, ''), { catalogue })).toMatch(
      /teacher: is missing.*kd learns from a teacher/,
    );
  });
});

describe('--set', () => {
  it('sets typed values, also through shorthands', () => {
    const { recipe } = read(good, {
      set: [
        'train.epochs=5',
        'method.options.temperature=2',
        'seeds=[1,2]',
        'data.train.limit=10',
        'train.clipNorm=null',
        'student.architecture=12',
      ],
    });
    expect(recipe).toMatchObject({
      train: { epochs: 5, clipNorm: null },
      method: { name: 'kd', options: { temperature: 2 } },
      seeds: [1, 2],
      data: { train: { source: 'dataset:banking77', limit: 10 } },
      student: { architecture: '12' },
    });
  });
  it.each([
    ['train.epoch=5', /^--set train\.epoch=5: the recipe has no "train\.epoch".*did you mean "epochs"/],
    ['bogus.deep.path=1', /the recipe has no "bogus"; allowed: version, /],
    ['train.epochs=abc', /^--set train\.epochs=abc train\.epochs: is text; seen: "abc"; allowed: a number/],
    ['train.epochs', /^--set: expected path=value/],
    ['train.optimizer=[1', /^--set train\.optimizer=\[1: the value is not valid YAML/],
    ['train.epochs.deep=1', /the recipe has no "train\.epochs\.deep"; allowed: train\.epochs takes a number/],
  ])('%s', (set, expected) => {
    expect(message(good, { set: [set] })).toMatch(expected);
  });
});

describe('versions', () => {
  const old = `version: 0
task: classify
data: {file: rows.csv}
model: {architecture: bag}
loss: none
epochs: 4
lr: 0.01
seed: 7
`;
  it('migrates an old recipe and says which lines to write now', () => {
    const { recipe, migrated } = read(old);
    expect(recipe).toMatchObject({
      version: 1,
      data: { train: 'rows.csv' },
      student: { architecture: 'bag' },
      method: { name: 'none' },
      train: { epochs: 4, optimizer: { lr: 0.01 } },
      seeds: [7],
    });
    expect(migrated).toContain('epochs is now train.epochs: 4');
    expect(read(good).migrated).toEqual([]);
  });
  it('still names the line of the old file', () => {
    expect(message(old.replace('lr: 0.01', 'lr: fast'))).toMatch(
      /^r\.yaml:7:5 train\.optimizer\.lr: is text/,
    );
  });
  it('refuses what a newer release wrote', () => {
    expect(message(good.replace('version: 1', 'version: 9'))).toMatch(
      /^r\.yaml:1:10 version: was written by a newer release; seen: 9.*update decant/,
    );
  });
});

describe('the resolved recipe', () => {
  it('reads back to the same hash, which names results and not titles', () => {
    const { recipe, hash } = read(good);
    const again = read(serializeRecipe(recipe, hash));
    expect(again.hash).toBe(hash);
    expect(again.recipe).toEqual(recipe);
    // also where defaults depend on the task: decant resume compares what it reads with what stands there
    for (const text of [good, good.replace('train:\n  epochs: 3\n', '')]) {
      const written = serializeRecipe(read(text).recipe, hash);
      expect(serializeRecipe(read(written).recipe, hash), text).toBe(written);
    }
    expect(read(`name: other\n${good}`).hash).toBe(hash);
    expect(read(good.replace('epochs: 3', 'epochs: 4')).hash).not.toBe(hash);
    expect(read(`${good.replace('task: classify\n', '')}task: classify\n`).hash).toBe(hash);
  });
});

describe('recipeJsonSchema', () => {
  it('covers all keys, with defaults and descriptions, and the catalogue', () => {
    const schema = recipeJsonSchema(catalogue) as {
      properties: Record<
        string,
        {
          properties?: Record<string, { default?: unknown; description?: string }>;
          oneOf?: { enum?: string[]; properties?: unknown }[];
        }
      >;
      required: string[];
      additionalProperties: boolean;
    };
    expect(schema.required).toEqual(['version', 'task', 'data', 'student', 'method']);
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties.train.properties?.batchSize).toMatchObject({ default: 32, type: 'integer' });
    expect(schema.properties.method.oneOf?.[0]).toEqual({ enum: ['kd', 'none'] });
    expect(JSON.stringify(schema.properties.method.oneOf?.[1])).toContain('softens both');
    for (const key of Object.keys(parseYamlText(good) as object))
      expect(schema.properties).toHaveProperty(key);
  });
});
