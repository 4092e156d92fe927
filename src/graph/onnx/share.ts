import type { AttributeProto, NodeProto } from 'onnx-buf';

/**
 * Makes equal nodes one: same operator, inputs and attributes. Nodes that make a value in `keep` stay. Returns the
 * remaining nodes, in order, and what the dropped values are now called.
 */
export function shareNodes(
  nodes: readonly NodeProto[],
  keep: ReadonlySet<string> = new Set(),
): { nodes: NodeProto[]; renamed: ReadonlyMap<string, string> } {
  const renamed = new Map<string, string>();
  // a body may read any value around it; exported models have none
  if (nodes.some((n) => n.attribute.some((a) => a.g !== undefined))) return { nodes: [...nodes], renamed };
  const seen = new Map<string, NodeProto>();
  const kept = nodes.filter((n) => {
    n.input = n.input.map((name) => renamed.get(name) ?? name);
    if (RANDOM.test(n.opType)) return true;
    const key = JSON.stringify([
      n.opType,
      n.domain,
      n.input,
      n.output.map((o) => o !== ''),
      attributesKey(n.attribute),
    ]);
    const twin = seen.get(key);
    if (!twin) {
      seen.set(key, n);
      return true;
    }
    if (n.output.some((o) => keep.has(o))) return true;
    n.output.forEach((name, i) => {
      if (name !== '') renamed.set(name, twin.output[i]);
    });
    return false;
  });
  return { nodes: kept, renamed };
}

const RANDOM = /^Random|^Bernoulli$|^Multinomial$|^Dropout$/;

const attributesKey = (list: readonly AttributeProto[]): string =>
  JSON.stringify(
    [...list].sort((a, b) => (a.name < b.name ? -1 : 1)),
    (_, v) => (typeof v === 'bigint' ? `${v}n` : v instanceof Uint8Array ? [...v] : v),
  );
