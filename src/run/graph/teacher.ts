import { type GraphData, subgraph } from '../../data/graph.ts';
import type { NodeScale, PreparedGraph } from '../../data/graph-prepare.ts';
import type { Example } from '../../data/types.ts';
import { accuracy } from '../../evaluate/classification.ts';
import { argmaxRows, logSoftmaxRows } from '../../evaluate/matrix.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { supervised } from '../../methods/logits/kd.ts';
import { graphInputs, normalizedRows, withInputs } from '../../nn/graph-data.ts';
import { createInference } from '../../nn/inference.ts';
import type { AnyModel } from '../../nn/model.ts';
import { countParams, type Params } from '../../nn/params.ts';
import type { Recipe } from '../../recipe/schema/recipe.ts';
import type { Teacher } from '../../teachers/teacher.ts';
import type { BatchSource } from '../../train/batches.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash, sha256 } from '../../util/node/hash.ts';
import { type Arm, trainArm } from '../arm.ts';
import { type ModelSettings, makeModel } from '../build.ts';
import { takeRows } from '../classify-metrics.ts';
import { classifierTeacher } from '../classify-teacher.ts';
import type { RunContext } from '../context.ts';
import { meanProbabilities, paramsHash } from '../teacher.ts';
import { wholeBatch } from './batches.ts';
import { adjacencyOf, neighbourhood } from './neighbourhood.ts';

type Settings = ModelSettings & { train: Recipe['train']; ensemble: number };

/** The teacher of a run on a graph: a graph network where the recipe trains one, else whatever classifies rows of features. */
export const nodeTeacher = (ctx: RunContext): Promise<Teacher & { seconds?: number }> => {
  const t = ctx.recipe.teacher as { kind: string; architecture?: string } | undefined;
  const graphNetwork = ['gcn', 'sage', 'gat'].includes(t?.architecture ?? '');
  return !ctx.teacher && t?.kind === 'trained' && graphNetwork
    ? trainGraphTeacher(ctx)
    : classifierTeacher(ctx);
};

/** A graph network trained on the graph of the data, full batch; hidden nodes and their edges are not there. */
export async function trainGraphTeacher(ctx: RunContext): Promise<Teacher & { seconds: number }> {
  const settings = ctx.recipe.teacher as unknown as Settings;
  const graph = ctx.data.graph!;
  const whole = { ...graph.whole, x: scaled(graph) };
  const hidden = graph.observed.length < whole.nodes;
  const seen = hidden ? subgraph(whole, graph.observed) : whole;
  const model = networkOf(settings, whole);
  const inputs = graphInputs(seen);
  const members: Params<NDArray>[] = [];
  let seconds = 0;
  for (let i = 0; i < settings.ensemble; i++) {
    const trained = await trainArm(ctx, {
      name: settings.ensemble > 1 ? `teacher-${i + 1}` : 'teacher',
      title: settings.ensemble > 1 ? `teacher ${i + 1}/${settings.ensemble}` : 'teacher',
      seed: 1000 + i,
      model: withInputs(model, inputs),
      method: supervised,
      config: supervised.config.parse({}),
      settings: { ...wholeBatch(settings.train, seen.nodes, 'teacher.train'), batchSize: 1 },
      source: labelledGraph(seen),
      watch: watchOf(ctx, model, inputs, seen),
      depends: graphHash(graph),
    });
    members.push(trained.params);
    seconds += trained.seconds;
  }
  const answers = readers(ctx, model, members, { whole, seen, inputs, observed: graph.observed });
  return {
    name: `${settings.architecture}, trained in place on ${seen.nodes} nodes`,
    id: `trained:${contentHash([...members.map(paramsHash), graphHash(graph)])}`,
    signals: ['logits', 'topk'],
    parameters: countParams(model.params) * settings.ensemble,
    classes: whole.classes,
    batch: whole.nodes,
    seconds,
    ...answers,
  };
}

function networkOf(settings: Settings, graph: GraphData): AnyModel {
  if (settings.from)
    throw new DecantError('recipe', 'a graph network is trained in place: it belongs to its graph', {
      at: 'teacher.from',
      seen: settings.from,
      allowed: 'teacher.architecture: gcn, sage, gat',
    });
  const model = makeModel(
    settings,
    { task: 'node-classify', at: 'teacher' },
    { features: graph.features, classes: graph.classes.length },
  );
  if (!model.inputs.features)
    throw new DecantError('recipe', 'features of a recipe come as a matrix', {
      at: 'teacher.options.sparse',
      seen: true,
      allowed: 'false',
    });
  return model;
}

/** The features of all nodes at the recipe's scale; what is measured is measured on the observed nodes. */
export function scaled({ whole, observed, scale }: PreparedGraph): Float32Array {
  const { x, features } = whole;
  const by: Record<NodeScale, () => Float32Array> = {
    none: () => x,
    rows: () => normalizedRows(x, features),
    standardize: () => standardized(x, features, observed),
  };
  return by[scale]();
}

function standardized(x: Float32Array, width: number, rows: Int32Array): Float32Array {
  const out = new Float32Array(x.length);
  for (let c = 0; c < width; c++) {
    let sum = 0;
    for (const r of rows) sum += x[r * width + c];
    const mean = sum / rows.length;
    let squares = 0;
    for (const r of rows) squares += (x[r * width + c] - mean) ** 2;
    const std = Math.max(Math.sqrt(squares / rows.length), 1e-6);
    for (let i = c; i < x.length; i += width) out[i] = (x[i] - mean) / std;
  }
  return out;
}

const graphHash = ({ whole, observed, scale }: PreparedGraph): string => {
  const bytes = (a: Int32Array | Float32Array) =>
    sha256(new Uint8Array(a.buffer, a.byteOffset, a.byteLength));
  return contentHash([bytes(whole.x), bytes(whole.edges), bytes(whole.labels), bytes(observed), scale]);
};

/** The one batch: labels of the training nodes; the graph itself is held by the model. */
function labelledGraph(g: GraphData): BatchSource {
  const labels = new Int32Array(g.nodes).fill(-100);
  for (const node of g.split.train) labels[node] = g.labels[node];
  const n = [g.nodes];
  const batch = {
    labels: ndarray(labels, n),
    'mask/examples': ndarray(new Float32Array(g.nodes).fill(1), n),
    'mask/labelled': ndarray(
      Float32Array.from(labels, (l) => (l < 0 ? 0 : 1)),
      n,
    ),
  };
  return { size: 1, collate: () => batch };
}

/** Accuracy and loss on the validation nodes. */
function watchOf(
  ctx: RunContext,
  model: AnyModel,
  inputs: Readonly<Record<string, NDArray>>,
  g: GraphData,
): Arm['watch'] {
  const rows = [...g.split.validation];
  if (rows.length === 0) return undefined;
  const labels = Int32Array.from(rows, (node) => g.labels[node]);
  const inference = createInference(ctx.engine, withInputs(model, inputs));
  return {
    metric: 'loss',
    async run(params) {
      await inference.setParams(params);
      const logits = takeRows((await inference.run({})).logits, rows);
      const logp = logSoftmaxRows(logits);
      let loss = 0;
      labels.forEach((label, i) => {
        loss -= logp.data[i * logp.cols + label] / rows.length;
      });
      return { accuracy: accuracy(argmaxRows(logits), labels), loss };
    },
    dispose: () => inference.dispose(),
  };
}

interface Graphs {
  readonly whole: GraphData;
  readonly seen: GraphData;
  readonly inputs: Readonly<Record<string, NDArray>>;
  readonly observed: Int32Array;
}

/** Answers for nodes: from the observed graph, unless a hidden node is asked for; of few nodes, their neighbourhood alone is read. */
function readers(
  ctx: RunContext,
  model: AnyModel,
  members: readonly Params<NDArray>[],
  { whole, seen, inputs, observed }: Graphs,
): Pick<Teacher, 'logits' | 'close'> {
  const place = new Int32Array(whole.nodes).fill(-1);
  observed.forEach((node, i) => {
    place[node] = i;
  });
  const layers = Number(model.config.layers);
  const open = (g: GraphData, all: Readonly<Record<string, NDArray>>) => ({
    g,
    neighbours: adjacencyOf(g),
    held: members.map((params) => ready(createInference(ctx.engine, withInputs(model, all)), params)),
    part: members.map((params) => ready(createInference(ctx.engine, model), params)),
  });
  const ready = <T extends ReturnType<typeof createInference>>(inference: T, params: Params<NDArray>): T => {
    void inference.setParams(params);
    return inference;
  };
  const opened: ReturnType<typeof open>[] = [];
  const onSeen = () => (opened[0] ??= open(seen, inputs));
  const onWhole = () => (seen === whole ? onSeen() : (opened[1] ??= open(whole, graphInputs(whole))));
  return {
    async logits(examples: readonly Example[]) {
      const known = examples.every((e) => place[nodeOf(e)] >= 0);
      const { g, neighbours, held, part } = known ? onSeen() : onWhole();
      const nodes = examples.map((e) => (known ? place[nodeOf(e)] : nodeOf(e)));
      const few = nodes.length * 4 < g.nodes;
      const given = few ? neighbourhood(neighbours, g.features, g.x, nodes, layers) : {};
      const rows = few ? firstPlaces(nodes) : nodes;
      const all: NDArray[] = [];
      for (const inference of few ? part : held)
        all.push(takeRows((await inference.run(given)).logits, rows));
      return all.length === 1 ? all[0] : meanProbabilities(all);
    },
    async close() {
      for (const o of opened)
        for (const inference of [...(o?.held ?? []), ...(o?.part ?? [])]) await inference.dispose();
    },
  };
}

/** Where each node stands among the distinct ones, in the order of their first mention. */
function firstPlaces(nodes: readonly number[]): number[] {
  const places = new Map<number, number>();
  for (const node of nodes) if (!places.has(node)) places.set(node, places.size);
  return nodes.map((node) => places.get(node)!);
}

function nodeOf(e: Example): number {
  if (e.node !== undefined) return e.node;
  throw new DecantError('data', 'a graph network answers for nodes of its graph alone', {
    at: `${e.file}:${e.line}`,
  });
}
