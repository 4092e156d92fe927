import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadCatalogue } from '../../cli/catalogue.ts';
import { createNodeEngine } from '../../engine/node/engine.ts';
import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import {
  add,
  cast,
  constant,
  div,
  gradients,
  mul,
  type NDArray,
  scalar,
  spec,
  sum,
  type Tensor,
  toNumbers,
  trace,
} from '../../graph/index.ts';
import { runVectorFile, type Vector, type VectorFile } from '../../losses/vectors/index.ts';
import { init } from '../../nn/model.ts';
import { initParams } from '../../nn/params.ts';
import { scopeOf } from '../../nn/scope.ts';
import { parseRecipe } from '../../recipe/parse.ts';
import { responseOutputs } from '../../train/policy.ts';
import { probeTeacherSignal } from '../../train/probe.ts';
import { masksOf } from '../../train/step-graph.ts';
import type { Masks, Terms } from '../../train/terms.ts';
import { hiddenColumns } from '../columns.ts';
import { type LossInput, learnsFromText, type Method } from '../method.ts';
import { distillation } from '../objective.ts';
import { pairOf } from '../pair.ts';
import { checkCalls } from './check-calls.ts';
import { gradientError, inDouble } from './gradient.ts';
import { randomColumns, SIZES } from './inputs.ts';
import { foldedOutputs, preparedOf } from './prepared.ts';
import { rowSource, studentFor } from './student.ts';
import { threeSteps } from './three-steps.ts';

export interface CheckOptions {
  /** Functions of the method's golden-vector file, tests/vectors/<slug>.json. */
  vectors?: readonly Vector[];
  /** Its recipe; default recipes/<family>/<slug>.yaml; null for baselines, which other recipes run. */
  recipe?: string | null;
}

/** What every method with a loss must pass. One line in its test: `checkMethod(pld, { vectors: pldVectors })`. */
export function checkMethod(method: Method, options: CheckOptions = {}): void {
  const config = method.config.parse({});
  const scalars = { progress: 0.5, ...method.schedule?.init(config) };

  describe(`${method.slug}: what every method must pass`, () => {
    if (options.vectors) {
      const vectors = options.vectors;
      it('golden vectors, values and gradients, on both engines', async () => {
        const text = readFileSync(`tests/vectors/${method.slug}.json`, 'utf8');
        const file = JSON.parse(text) as VectorFile;
        const results = await runVectorFile(file, vectors, (g, x) => runOrt(g, x));
        expect(results.length).toBe(file.cases.length);
        expect(results.filter((r) => r.status !== 'passed')).toEqual([]);
      });
    }

    it('config: defaults parse, unknown keys do not', () => {
      expect(method.config.safeParse({}).success).toBe(true);
      expect(method.config.safeParse({ nonsense: 1 }).success).toBe(false);
    });

    if (options.recipe !== null) {
      const file = options.recipe ?? `recipes/${method.family}/${method.slug}.yaml`;
      it('recipe parses and names the method', async () => {
        const { recipe } = parseRecipe(readFileSync(file, 'utf8'), {
          file,
          catalogue: await loadCatalogue(),
        });
        expect(recipe.method.name).toBe(method.slug);
        expect(method.needs.tasks).toContain(recipe.task);
      });
    }

    if (method.calls) {
      checkCalls(method, config, scalars);
      return;
    }

    it.each(method.needs.tasks)('%s: the gradient is that of finite differences', async (task) => {
      const { columns, logits } = await randomColumns(method, task, 'gradient');
      const names = Object.keys(columns);
      const { error, largest } = gradientError(
        ([x, ...rest]) => {
          const batch = Object.fromEntries(names.map((n, i) => [n, rest[i]]));
          const input = lossInput(x, batch, scalars, partsOf(method, config));
          return totalOf(method.loss(input, config), masksOf(batch));
        },
        [logits, ...Object.values(columns)],
        [0],
      );
      expect(largest).toBeGreaterThan(1e-4);
      expect(error).toBeLessThan(1e-6);
    });

    for (const identity of method.identities ?? []) {
      const task = method.needs.tasks[0];
      it(`identity: ${identity.name}`, async () => {
        for (const seed of ['1', '2', '3']) {
          const { columns, logits } = await randomColumns(
            { ...method, needs: { ...method.needs, labels: 'required' } },
            task,
            seed,
          );
          const names = Object.keys(columns);
          const { graph } = trace(
            (x: Tensor, ...rest: Tensor[]) => {
              const batch = Object.fromEntries(names.map((n, i) => [n, rest[i]]));
              const { got, want } = identity.check(lossInput(x, batch, scalars));
              const slope = (y: Tensor): Tensor => gradients(sum(y), [x])[0];
              return [got, want, slope(got), slope(want)];
            },
            [logits, ...Object.values(columns)].map((a) => spec(a.shape, inDouble(a.dtype))),
          );
          const values = interpret(graph, [logits, ...Object.values(columns)]).map((a) => [...toNumbers(a)]);
          const [got, want, slope, wanted] = values;
          if (identity.of !== 'gradient') expectClose(got, want);
          expectClose(slope, wanted);
        }
      });
    }

    it.each(method.needs.tasks)(
      '%s: the teacher reaches the student; three steps stay finite',
      async (task) => {
        const engine = createNodeEngine({ threads: 1 });
        try {
          const model = studentFor(task, method.subclasses?.(config));
          const { columns } = await randomColumns(method, task, 'train');
          const source = rowSource(task, columns);
          const objective = distillation(
            model,
            method,
            config,
            method.setup && pairOf(model, hiddenColumns(columns), SIZES.classes),
          );
          const params = init({ ...model, params: objective.params }, 1);
          if (method.needs.signals.length > 0 && !learnsFromText(method.needs))
            await probeTeacherSignal({ engine, objective, params, source, rows: source.size, scalars });
          await threeSteps(method, config, { engine, objective, params, source });
        } finally {
          await engine.close();
        }
      },
    );
  });
}

function expectClose(got: number[], want: number[]): void {
  expect(got.length).toBe(want.length);
  const scale = Math.max(1, ...want.map(Math.abs));
  got.forEach((g, i) => {
    expect(Math.abs(g - want[i]) / scale).toBeLessThan(1e-9);
  });
}

/** The loss of one batch, in the precision of its terms. */
function totalOf(terms: Terms, masks: Masks): Tensor {
  return Object.values(terms)
    .map(({ value, over = 'examples', weight = 1 }) => {
      const mask = masks[over]!;
      return mul(value.rank === 0 ? value : div(sum(mul(value, mask)), sum(mask)), weight);
    })
    .reduce((a, b) => add(a, b));
}

/** What a student puts out: logits alone, or those of responses with their log-probabilities. */
function outputsOf(logits: Tensor, batch: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const tokens = batch['input/response'];
  return tokens ? responseOutputs(logits, tokens) : foldedOutputs(logits, SIZES.classes);
}

/** A method's extra parts at their start, for a student of whom only the logits are known: every activation is they. */
function partsOf(method: Method, config: unknown): Record<string, NDArray> {
  const { classes, hidden } = SIZES;
  const params = method.setup?.(config, { studentWidth: () => classes, teacherWidth: () => hidden, classes });
  return params ? initParams(params, 1) : {};
}

/** A method's input made of plain tensors, without a model. */
function lossInput(
  logits: Tensor,
  batch: Readonly<Record<string, Tensor>>,
  scalars: Readonly<Record<string, number>>,
  parts: Readonly<Record<string, NDArray>> = {},
): LossInput {
  const masks = masksOf(batch);
  return {
    student: outputsOf(logits, batch),
    tap: () => logits,
    teacher: {
      logits: batch['teacher/logits'],
      score: batch['teacher/score'],
      logp: batch['teacher/logp'],
      hidden: hiddenColumns(batch),
      prepared: preparedOf(batch),
    },
    labels: batch.labels,
    masks: { examples: masks.examples!, labelled: masks.labelled!, tokens: masks.tokens },
    columns: batch,
    scalars: Object.fromEntries(Object.entries(scalars).map(([n, v]) => [n, constant(scalar(v, 'float64'))])),
    extra: scopeOf(
      Object.fromEntries(Object.entries(parts).map(([n, a]) => [n, cast(constant(a), 'float64')])),
    ),
  };
}
