import { type GraphData, subgraph } from '../../data/graph.ts';
import { openGraph } from '../../data/sources/structured.ts';
import type { Engine } from '../../engine/engine.ts';
import { accuracy } from '../../evaluate/classification.ts';
import { argmaxRows } from '../../evaluate/matrix.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { column } from '../../methods/columns.ts';
import type { Method } from '../../methods/method.ts';
import { distillation } from '../../methods/objective.ts';
import { graphInputs, normalizedRows, withInputs } from '../../nn/graph-data.ts';
import { createInference } from '../../nn/inference.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { adam } from '../../optim/index.ts';
import { train } from '../../train/loop.ts';
import { createRng } from '../../util/rng.ts';
import { type Columns, takeRows } from './fit.ts';
import type { Measured } from './types.ts';

/** A graph ready for training: rows of features divided by their sums, edges in both directions. */
export interface ReadyGraph {
  readonly graph: GraphData;
  /** Inputs of a graph network; `features` alone are those of an MLP. */
  readonly inputs: Columns;
}

/** A citation graph with its public split. */
export interface Citations extends ReadyGraph {
  /** What training sees: all of it, or the graph without the hidden nodes and their edges. */
  readonly seen: ReadyGraph;
  /** Labels of the training nodes (-100 elsewhere), masks, edges: what every arm's batch holds. */
  readonly columns: Columns;
  /** The nodes whose answers count: all test nodes, or the hidden ones. */
  readonly test: Int32Array;
}

const ready = (graph: GraphData): ReadyGraph => ({ graph, inputs: graphInputs(graph) });

export async function openCitations(reference: string, dataRoot: string | undefined): Promise<Citations> {
  const graph = await openGraph(reference, { baseDir: '.', dataRoot });
  const whole = ready({ ...graph, x: normalizedRows(graph.x, graph.features) });
  return { ...whole, seen: whole, columns: batchOf(whole), test: graph.split.test };
}

/** The inductive setting: this share of the test nodes, drawn by the seed, is hidden from all training. */
export function hideTestNodes({ graph, inputs }: Citations, share: number, seed: string): Citations {
  const drawn = createRng(seed).shuffle([...graph.split.test]);
  const test = Int32Array.from(drawn.slice(0, Math.round(share * drawn.length)));
  const hidden = new Set(test);
  const observed = Int32Array.from({ length: graph.nodes }, (_, i) => i).filter((i) => !hidden.has(i));
  const seen = ready(subgraph(graph, observed));
  return { graph, inputs, seen, columns: batchOf(seen), test };
}

function batchOf({ graph, inputs }: ReadyGraph): Columns {
  const labels = new Int32Array(graph.nodes).fill(-100);
  for (const i of graph.split.train) labels[i] = graph.labels[i];
  const n = [graph.nodes];
  return {
    labels: ndarray(labels, n),
    'mask/examples': ndarray(new Float32Array(graph.nodes).fill(1), n),
    'mask/labelled': ndarray(
      Float32Array.from(labels, (l) => (l < 0 ? 0 : 1)),
      n,
    ),
    [column.edgeSource]: inputs.edge_source,
    [column.edgeTarget]: inputs.edge_target,
  };
}

export interface NodeBudget {
  epochs: number;
  /** Epochs between two looks at the validation and test nodes. */
  evalEvery: number;
  lr: number;
  /** λ of an L2 penalty in the gradient, of every parameter. */
  weightDecay: number;
}

export interface NodeFit extends NodeBudget {
  readonly engine: Engine;
  readonly data: Citations;
  readonly model: AnyModel;
  readonly method: Method;
  readonly options?: Record<string, unknown>;
  /** Logits of the teacher for every node. */
  readonly knowledge?: NDArray;
  readonly seed: string;
  readonly initSeed: string;
}

/** Full-batch training with Adam at a constant rate; test accuracy in % after the last epoch and at the best validation. */
export async function fitNodes(spec: NodeFit): Promise<{ measured: Measured; best: Params<NDArray> }> {
  const { engine, data, model, method } = spec;
  const look = openLook(engine, model, data);
  let last = { validation: 0, test: 0 };
  let selected = { validation: -1, test: 0 };
  let best: Params<NDArray> = {};
  const config = method.config.parse(spec.options ?? {});
  const batch = {
    ...data.columns,
    ...(spec.knowledge ? { [column.teacherLogits]: spec.knowledge } : {}),
  };
  try {
    await train({
      engine,
      objective: distillation(withInputs(model, data.seen.inputs), method, config),
      params: init(model, spec.initSeed),
      source: { size: 1, collate: () => batch },
      batchSize: 1,
      steps: spec.epochs,
      optimizer: adam({ weightDecay: spec.weightDecay }),
      lr: () => spec.lr,
      seed: spec.seed,
      evaluation: {
        every: spec.evalEvery,
        async run(params) {
          last = await look.at(params);
          // of equally good epochs the last, as the authors' code keeps it
          if (last.validation >= selected.validation) {
            selected = last;
            best = params;
          }
          return {};
        },
      },
    });
  } finally {
    await look.dispose();
  }
  return { measured: { accuracy: last.test, selected: selected.test }, best };
}

/**
 * Accuracy in % on validation and test nodes. A graph network answers for validation nodes from the graph it was trained
 * on, and for hidden test nodes from the whole one; an MLP reads the features of those nodes alone.
 */
function openLook(engine: Engine, model: AnyModel, data: Citations) {
  const { validation } = data.graph.split;
  if (model.inputs.edge_source === undefined) {
    const nodes = [...validation, ...data.test];
    const features = takeRows(data.inputs.features, nodes);
    const labels = Int32Array.from(nodes, (n) => data.graph.labels[n]);
    return looks(engine, model, [
      {
        inputs: { features },
        labels,
        validation: range(0, validation.length),
        test: range(validation.length, nodes.length),
      },
    ]);
  }
  const { labels } = data.graph;
  if (data.seen.graph === data.graph)
    return looks(engine, model, [{ inputs: data.inputs, labels, validation, test: data.test }]);
  const { graph, inputs } = data.seen;
  return looks(engine, model, [
    { inputs, labels: graph.labels, validation: graph.split.validation },
    { inputs: data.inputs, labels, test: data.test },
  ]);
}

const range = (from: number, to: number): Int32Array =>
  Int32Array.from({ length: to - from }, (_, i) => from + i);

interface View {
  readonly inputs: Columns;
  /** Of every row of the model's answer. */
  readonly labels: Int32Array;
  /** Rows that are scored. */
  readonly validation?: Int32Array;
  readonly test?: Int32Array;
}

function looks(engine: Engine, model: AnyModel, views: readonly View[]) {
  const opened = views.map((v) => ({
    ...v,
    inference: createInference(engine, withInputs(model, v.inputs)),
  }));
  return {
    async at(params: Params<NDArray>) {
      const scores = { validation: 0, test: 0 };
      for (const view of opened) {
        await view.inference.setParams(params);
        const answers = argmaxRows((await view.inference.run({})).logits);
        for (const part of ['validation', 'test'] as const) {
          const rows = view[part];
          if (rows)
            scores[part] =
              100 *
              accuracy(
                rows.map((r) => answers[r]),
                rows.map((r) => view.labels[r]),
              );
        }
      }
      return scores;
    },
    async dispose() {
      for (const { inference } of opened) await inference.dispose();
    },
  };
}

/** Logits of a graph network for every node that training sees, `[nodes, classes]`. */
export async function nodeLogits(
  engine: Engine,
  model: AnyModel,
  params: Params<NDArray>,
  data: Citations,
): Promise<NDArray> {
  const inference = createInference(engine, withInputs(model, data.seen.inputs));
  try {
    await inference.setParams(params);
    return (await inference.run({})).logits;
  } finally {
    await inference.dispose();
  }
}
