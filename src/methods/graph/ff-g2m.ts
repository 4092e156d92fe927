import { z } from 'zod';
import {
  abs,
  add,
  concat,
  constant,
  div,
  gather,
  maximum,
  mean,
  ndarray,
  sizeTensor,
  sub,
  sum,
  type Tensor,
} from '../../graph/index.ts';
import { hintonKl } from '../../losses/classification.ts';
import { forwardKl, temperedLogp } from '../../losses/divergences.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { column } from '../columns.ts';
import { defineMethod, type LossInput } from '../method.ts';

const config = z.strictObject({
  lambda: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("λ, weight of the cross-entropy; 1 - λ weighs both others; 0.1 in the authors' code"),
  temperature: z
    .number()
    .positive()
    .default(1.5)
    .describe("τ of the high-frequency term alone; 1.5 in the authors' code, 1 to 1.5 by data set"),
  terms: z
    .enum(['both', 'low', 'high'])
    .default('both')
    .describe('which part of the signal is distilled: both, or one of them as in the ablation'),
});

/** Directed edges, int32 `[edges]` each: an undirected edge stands in both directions. */
export interface Edges {
  readonly source: Tensor;
  readonly target: Tensor;
}

/**
 * Low-frequency distillation: the student at each edge's source against the teacher at its target,
 * KL(softmax(h_j) ‖ softmax(z_i)). With both directions and a loop at each node, the student of a node is pulled
 * towards the teacher's predictions for the node and all its neighbours.
 *
 * @param studentLogits z `[nodes, classes]`
 * @param teacherLogits h `[nodes, classes]`
 * @returns `[edges]` nats
 */
export function lowFrequency(studentLogits: Tensor, teacherLogits: Tensor, edges: Edges): Tensor {
  return forwardKl(
    gather(temperedLogp(studentLogits), edges.source),
    gather(temperedLogp(teacherLogits), edges.target),
  );
}

/**
 * High-frequency distillation: KL(softmax(|h_i - h_j| / τ) ‖ softmax(|z_i - z_j| / τ)) for each edge, on raw logits.
 * Without τ² in front, and for edges between different nodes: a loop would give 0.
 *
 * @param studentLogits z `[nodes, classes]`
 * @param teacherLogits h `[nodes, classes]`
 * @returns `[edges]` nats
 */
export function highFrequency(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  { source, target }: Edges,
  temperature: number,
): Tensor {
  const logp = (x: Tensor): Tensor =>
    temperedLogp(abs(sub(gather(x, source), gather(x, target))), temperature);
  return forwardKl(logp(studentLogits), logp(teacherLogits));
}

const edgesOf = ({ columns }: LossInput): Edges => ({
  source: columns[column.edgeSource],
  target: columns[column.edgeTarget],
});

/** The node itself as its neighbour: KL(softmax(h_i) ‖ softmax(z_i)), as GLNN distils. `[nodes]` */
const atNode = (studentLogits: Tensor, teacherLogits: Tensor): Tensor =>
  hintonKl(studentLogits, teacherLogits, { temperature: 1 });

/** Mean over the edges and one loop per node. */
const lowTerm = (z: Tensor, h: Tensor, edges: Edges): Tensor =>
  mean(concat([lowFrequency(z, h, edges), atNode(z, h)], 0));

/** Mean over the edges; 0 for nodes without any. */
const highTerm = (z: Tensor, h: Tensor, edges: Edges, temperature: number): Tensor => {
  const each = highFrequency(z, h, edges, temperature);
  return div(sum(each), maximum(sizeTensor(each.shape[0], each.dtype), 1));
};

/** A graph network into an MLP that sees the features of a node alone: neighbours and differences to neighbours. */
export const ffG2m = defineMethod<z.infer<typeof config>>({
  slug: 'ff-g2m',
  family: 'graph',
  meta: {
    title:
      'Extracting Low-/High-Frequency Knowledge from Graph Neural Networks and Injecting it into MLPs (FF-G2M)',
    year: 2023,
    link: 'arXiv 2305.10758',
    summary:
      "pull each node's student towards the teacher's predictions for its neighbours, and match the differences between neighbours",
    deviations: [
      "as in the authors' code, the low-frequency term has no temperature and both terms are means over edges (the low-frequency one over edges and one loop per node)",
      'a batch is the whole graph: edges to unlabelled and test nodes take part, unless the graph hides them',
    ],
  },
  needs: {
    tasks: ['node-classify'],
    signals: [['logits']],
    labels: 'optional',
    sameVocabulary: true,
  },
  config,
  loss(input, { lambda, temperature, terms }) {
    const { student, teacher, labels } = input;
    const edges = edgesOf(input);
    const [z, h] = [student.logits, teacher.logits!];
    return {
      ...(terms === 'high' ? {} : { low: { value: lowTerm(z, h, edges), weight: 1 - lambda } }),
      ...(terms === 'low' ? {} : { high: { value: highTerm(z, h, edges, temperature), weight: 1 - lambda } }),
      ...(labels
        ? { ce: { value: crossEntropyWithLabels(z, labels), over: 'labelled', weight: lambda } as const }
        : {}),
    };
  },
  identities: [
    {
      name: 'a graph without edges: the low-frequency term is GLNN, plain KD at temperature 1',
      check: ({ student, teacher }) => {
        const none = constant(ndarray(new Int32Array(0), [0]));
        return {
          got: lowTerm(student.logits, teacher.logits!, { source: none, target: none }),
          want: mean(atNode(student.logits, teacher.logits!)),
        };
      },
    },
    {
      name: 'high frequency sees differences only: the same row added to every node changes nothing',
      check: (input) => {
        const { student, teacher } = input;
        const row = gather(teacher.logits!, constant(ndarray(Int32Array.of(0), [1])));
        const moved = add(student.logits, row);
        const high = (z: Tensor): Tensor => highFrequency(z, teacher.logits!, edgesOf(input), 1.5);
        return { got: high(moved), want: high(student.logits) };
      },
    },
    {
      name: 'with edges in both directions, both terms are the same on the reversed edges',
      check: (input) => {
        const { source, target } = edgesOf(input);
        const of = (edges: Edges): Tensor =>
          add(
            sum(lowFrequency(input.student.logits, input.teacher.logits!, edges)),
            sum(highFrequency(input.student.logits, input.teacher.logits!, edges, 1)),
          );
        return { got: of({ source: target, target: source }), want: of({ source, target }) };
      },
    },
  ],
});
