import type { Node } from '../graph/tensor.ts';
import { userFrame } from '../graph/tensor.ts';
import { DecantError, isDecantError } from '../util/errors.ts';

/** onnxruntime's message with the operator and the user's line that traced it, where the message names a node. */
export function engineError(error: unknown, origins: ReadonlyMap<string, Node>): unknown {
  if (isDecantError(error) && error.code !== 'engine') return error;
  const message = error instanceof Error ? error.message : String(error);
  const quoted = [/Name:\s*'([^']+)'/, /Node \(([^)]+)\)/, /node[: ]+'?([\w.]+_\d+)'?/i];
  for (const pattern of quoted) {
    const node = origins.get(pattern.exec(message)?.[1] ?? '');
    if (node) {
      return new DecantError('engine', `${node.op.name}: ${message}`, {
        at: userFrame(node.origin),
        cause: error,
      });
    }
  }
  return isDecantError(error) ? error : new DecantError('engine', message, { cause: error });
}
