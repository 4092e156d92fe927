import { homophily } from '../../data/graph.ts';
import type { PreparedGraph } from '../../data/graph-prepare.ts';
import type { ReportFact } from '../../evaluate/report/data.ts';

const count = (n: number): string => n.toLocaleString('en-US');
const percent = (x: number): string => `${(100 * x).toFixed(0)} %`;

/** What a reader must know of the graph: a line for the report, and what should make her careful. */
export function graphFacts({ whole, observed }: PreparedGraph): { fact: ReportFact; warnings: string[] } {
  const same = homophily(whole);
  const isolated = whole.problems.filter((p) => p.kind === 'isolated').length;
  const hidden = whole.nodes - observed.length;
  const parts = [
    `${count(whole.nodes)} nodes`,
    `${count(whole.edges.length / 2)} edges`,
    ...(isolated > 0 ? [`${count(isolated)} nodes without neighbours`] : []),
    ...(same === undefined ? [] : [`${percent(same)} of the edges between labelled nodes join one class`]),
    ...(hidden > 0 ? [`${count(hidden)} test nodes hidden from all training`] : []),
  ];
  const warnings: string[] = [];
  if (hidden === 0)
    warnings.push(
      'The teacher was trained on the whole graph, test nodes without their labels included, and the student was taught on them: data.graph.inductive measures nodes that neither has seen.',
    );
  else
    warnings.push(
      'A graph network answers for the hidden nodes from their edges and neighbours, an MLP from the features of a node alone: the distance between the two is in part the price of needing no graph.',
    );
  if (same !== undefined && same < 0.5)
    warnings.push(
      `Only ${percent(same)} of the edges between labelled nodes join nodes of one class: methods that pull neighbours together can do harm here.`,
    );
  return { fact: { name: 'Graph', value: parts.join(', ') }, warnings };
}
