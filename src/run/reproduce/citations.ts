import type { GraphData } from '../../data/graph.ts';
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
import { type Columns, takeRows } from './fit.ts';
import type { Measured } from './types.ts';

/** A citation graph ready for training: rows divided by their sums, edges in both directions, public split. */
export interface Citations {
  readonly graph: GraphData;
  /** Inputs of a graph network; `features` alone are those of an MLP. */
  readonly inputs: Columns;
  /** Labels of the training nodes (-100 elsewhere), masks, edges: what every arm's batch holds. */
  readonly columns: Columns;
}

export async function openCitations(reference: string, dataRoot: string | undefined): Promise<Citations> {
  const graph = await openGraph(reference, { baseDir: '.', dataRoot });
  const inputs = graphInputs({ ...graph, x: normalizedRows(graph.x, graph.features) });
  const labels = new Int32Array(graph.nodes).fill(-100);
  for (const i of graph.split.train) labels[i] = graph.labels[i];
  const n = [graph.nodes];
  return {
    graph,
    inputs,
    columns: {
      labels: ndarray(labels, n),
      'mask/examples': ndarray(new Float32Array(graph.nodes).fill(1), n),
      'mask/labelled': ndarray(
        Float32Array.from(labels, (l) => (l < 0 ? 0 : 1)),
        n,
      ),
      [column.edgeSource]: inputs.edge_source,
      [column.edgeTarget]: inputs.edge_target,
    },
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
  const { split, labels } = data.graph;
  const held = [...split.validation, ...split.test];
  const whole = model.inputs.edge_source !== undefined;
  // an MLP answers for the held-out nodes alone, a graph network reads the whole graph
  const seen = whole ? data.inputs : { features: takeRows(data.inputs.features, held) };
  const inference = createInference(engine, withInputs(model, seen));
  const score = (logits: NDArray, from: number, to: number): number => {
    const p = argmaxRows(logits);
    const rows = held.slice(from, to);
    return (
      100 *
      accuracy(
        Int32Array.from(rows, (node, i) => p[whole ? node : from + i]),
        Int32Array.from(rows, (node) => labels[node]),
      )
    );
  };
  const valid = split.validation.length;
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
      objective: distillation(withInputs(model, data.inputs), method, config),
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
          await inference.setParams(params);
          const { logits } = await inference.run({});
          last = { validation: score(logits, 0, valid), test: score(logits, valid, held.length) };
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
    await inference.dispose();
  }
  return { measured: { accuracy: last.test, selected: selected.test }, best };
}

/** Logits of a graph network for every node, `[nodes, classes]`. */
export async function nodeLogits(
  engine: Engine,
  model: AnyModel,
  params: Params<NDArray>,
  data: Citations,
): Promise<NDArray> {
  const inference = createInference(engine, withInputs(model, data.inputs));
  try {
    await inference.setParams(params);
    return (await inference.run({})).logits;
  } finally {
    await inference.dispose();
  }
}
