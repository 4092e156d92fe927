import type { NDArray } from '../graph/index.ts';
import { type AnyModel, tapShapes } from '../nn/model.ts';
import { tappingEmbedding } from '../nn/output-layer.ts';
import { DecantError } from '../util/errors.ts';
import type { SetupInfo } from './method.ts';

/** Widths by tap path of a student and of what is known of its teacher, for the extra parts of a method. */
export function pairOf(
  model: AnyModel,
  hidden: Readonly<Record<string, NDArray>>,
  classes: number,
): SetupInfo {
  const taps = new Map([...tapShapes(tappingEmbedding(model))].map(([path, shape]) => [path, shape.at(-1)]));
  const width = (of: string, n: unknown, path: string, known: Iterable<string>): number => {
    if (typeof n === 'number') return n;
    throw new DecantError('pairing', `the ${of} has no activation of a known width at this path`, {
      at: 'method.options',
      seen: path,
      allowed: [...known].slice(0, 20).join(', '),
    });
  };
  return {
    studentWidth: (path) => width('student', taps.get(path), path, taps.keys()),
    teacherWidth: (path) => width('teacher', hidden[path]?.shape.at(-1), path, Object.keys(hidden)),
    classes,
  };
}
