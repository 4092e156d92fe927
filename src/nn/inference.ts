import type { Engine, Executable } from '../engine/engine.ts';
import { type NDArray, spec, type Tensor, type TensorType, trace } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import type { AnyModel } from './model.ts';
import type { Params } from './params.ts';
import { scopeOf } from './scope.ts';

type Arrays = Readonly<Record<string, NDArray>>;

/** A model's forward pass on an engine: parameters are set once (and again when they change), inputs vary. */
export interface Inference {
  setParams(params: Params<NDArray>): Promise<void>;
  /** Outputs (and taps) by name; sizes of batch and sequence may differ from call to call. */
  run(inputs: Arrays): Promise<Record<string, NDArray>>;
  dispose(): Promise<void>;
}

export interface InferenceOptions {
  /** Outputs wanted, by the model's names; default: `logits`. */
  outputs?: readonly string[];
  /** Activations wanted, by tap path. */
  taps?: readonly string[];
}

/** Integer inputs are int32 inside Decant; int64 only stands at the borders of exported graphs. */
const inner = (t: TensorType): TensorType => (t.dtype === 'int64' ? spec(t.shape, 'int32') : t);

/** Prepares inference. One graph per set of given inputs serves every batch and length. */
export function createInference(
  engine: Engine,
  model: Pick<AnyModel, 'params' | 'inputs' | 'forward'>,
  options: InferenceOptions = {},
): Inference {
  const wanted = options.outputs ?? ['logits'];
  const taps = options.taps ?? [];
  const names = Object.entries(model.params)
    .filter(([, p]) => p.tiedTo === undefined)
    .map(([n]) => n);
  const loaded = new Map<string, Promise<Executable>>();
  let first: Promise<Executable> | undefined;
  let params: Params<NDArray> | undefined;
  let dirty = true;

  const build = async (fields: readonly string[]): Promise<Executable> => {
    const types = [
      ...names.map((n) => spec(model.params[n].shape)),
      ...fields.map((f) => inner(model.inputs[f])),
    ];
    const { graph } = trace(
      (...t: Tensor[]) => {
        const tree = Object.fromEntries(names.map((n, i) => [n, t[i]]));
        const inputs = Object.fromEntries(fields.map((f, i) => [f, t[names.length + i]]));
        const seen = new Map<string, Tensor>();
        const outputs = model.forward(scopeOf(tree, { taps: seen }), inputs) as Record<string, Tensor>;
        const pick = (n: string, from: Tensor | undefined): Tensor => {
          if (!from)
            throw new DecantError('model', `the model has no output or activation '${n}'`, {
              allowed: [...Object.keys(outputs), ...seen.keys()].join(', '),
            });
          return from;
        };
        return [
          ...t.slice(0, names.length),
          ...wanted.map((n) => pick(n, outputs[n])),
          ...taps.map((n) => pick(n, seen.get(n))),
        ];
      },
      types,
      [...names.map((n) => `params/${n}`), ...fields],
    );
    const shareState = first ? await first : undefined;
    return engine.load(graph, { state: names.length, shareState });
  };

  return {
    async setParams(next) {
      params = next;
      dirty = true;
    },
    async run(inputs) {
      const fields = Object.keys(model.inputs).filter((f) => inputs[f] !== undefined);
      const key = fields.join();
      let entry = loaded.get(key);
      if (!entry) {
        entry = build(fields);
        first ??= entry;
        loaded.set(key, entry);
      }
      const executable = await entry;
      if (dirty) {
        if (!params) throw new DecantError('usage', 'set the parameters before running the model');
        const given = params;
        await executable.setState(names.map((n) => given[n]));
        dirty = false;
      }
      const results = await executable.step(fields.map((f) => inputs[f]));
      return Object.fromEntries([...wanted, ...taps].map((n, i) => [n, results[i]]));
    },
    async dispose() {
      for (const e of await Promise.allSettled(loaded.values()))
        if (e.status === 'fulfilled') await e.value.dispose();
    },
  };
}
