import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { constant, type Tensor, type TensorType } from '../graph/tensor.ts';
import { specEntries, trace } from '../graph/trace.ts';
import { type MapTree, treeEntries } from '../graph/tree.ts';
import { DecantError } from '../util/errors.ts';
import type { Engine, Executable } from './engine.ts';
import { mapLeaves, rebuildTree } from './untyped-tree.ts';

/** A tree of host arrays with the structure of a tree of tensors. */
export type Host<T> = MapTree<T, Tensor, NDArray>;
/** A tree of types with the structure of a tree of tensors. */
export type Types<T> = MapTree<T, Tensor, TensorType>;
type HostArgs<A extends readonly unknown[]> = { [K in keyof A]: Host<A[K]> };

export interface CompileOptions<A extends readonly unknown[]> {
  engine: Engine;
  /**
   * Types of the arguments, with symbolic sizes where they vary (`spec([sym('batch'), 784])`): one graph serves all
   * sizes. Without them the function is traced anew for every new shape.
   */
  types?: { [K in keyof A]: Types<A[K]> };
}

/** A compiled function: host arrays in, host arrays out. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: HostArgs<A>): Promise<Host<R>>;
  /** Frees what was compiled. */
  dispose(): Promise<void>;
}

interface Entry {
  readonly executable: Executable;
  readonly result: unknown;
}

/**
 * Compiles a function of trees of tensors. It is traced on first use, once per structure, shapes and dtypes of its
 * arguments.
 *
 * @example
 * const predict = compile((p: { w: Tensor }, x: Tensor) => softmax(matmul(x, p.w)), { engine });
 * const y = await predict({ w: array([[1, 2]]) }, array([[3]])); // NDArray [1, 2]
 */
export function compile<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  { engine, types }: CompileOptions<A>,
): Compiled<A, R> {
  const cache = new Map<string, Promise<Entry>>();
  const build = async (args: readonly unknown[]): Promise<Entry> => {
    const { graph, result } = trace(fn as unknown as (...args: unknown[]) => R, types ?? args.map(typesOf));
    return { executable: await engine.load(graph), result };
  };
  const call = async (...args: HostArgs<A>): Promise<Host<R>> => {
    const leaves = args.flatMap((a) => treeEntries<NDArray>(a).map(([, x]) => x));
    if (types) checkStructure(types, args);
    const key = types ? '' : args.map(signature).join(';');
    let entry = cache.get(key);
    if (!entry) {
      entry = build(args);
      cache.set(key, entry);
      // a failed trace or load is tried again
      entry.catch(() => cache.delete(key));
    }
    const { executable, result } = await entry;
    const outputs = await executable.run(leaves);
    return rebuildTree(result, outputs) as Host<R>;
  };
  return Object.assign(call, {
    dispose: async () => {
      const entries = [...cache.values()];
      cache.clear();
      for (const e of await Promise.allSettled(entries))
        if (e.status === 'fulfilled') await e.value.executable.dispose();
    },
  });
}

/**
 * Like {@link compile}, with a first argument that never changes (a teacher's weights): it becomes initializers of
 * the graph, which onnxruntime packs once.
 */
export const compileWith = <F, A extends readonly unknown[], R>(
  frozen: Host<F>,
  fn: (frozen: F, ...args: A) => R,
  options: CompileOptions<A>,
): Compiled<A, R> => compile((...args: A) => fn(constants<F>(frozen), ...args), options);

/** Host arrays as constants of the graph. */
export const constants = <T>(tree: Host<T>): T => mapLeaves<NDArray>(tree, (a) => constant(a)) as T;

/** Types of a tree of host arrays. */
export const typesOf = (tree: unknown): unknown =>
  mapLeaves<NDArray>(tree, (a): TensorType => ({ shape: a.shape, dtype: a.dtype }));

/** Structure, dtypes and shapes of a tree as text. */
export const signature = (tree: unknown): string =>
  treeEntries<NDArray>(tree)
    .map(([path, a]) => `${path}:${a.dtype}[${a.shape}]`)
    .join();

/** A deep copy of a tree of host arrays. */
export const copyTree = <T>(tree: T): T =>
  mapLeaves<NDArray>(tree, (a) => ndarray(a.data.slice(), a.shape, a.dtype)) as T;

function checkStructure(types: readonly unknown[], args: readonly unknown[]): void {
  types.forEach((type, i) => {
    const want = specEntries(type, String(i)).map(([path]) => path);
    const got = treeEntries<NDArray>(args[i], String(i)).map(([path]) => path);
    if (want.join() !== got.join()) {
      throw new DecantError('usage', 'an argument has another structure than its declared type', {
        at: `argument ${i}`,
        seen: got.join(', '),
        allowed: want.join(', '),
      });
    }
  });
}
