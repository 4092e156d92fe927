import { type NDArray, ndarray } from '../../graph/ndarray.ts';
import type { Graph } from '../../graph/trace.ts';
import { DecantError } from '../../util/errors.ts';
import type { Engine, Executable, LoadOptions } from '../engine.ts';
import { interpret } from './interpreter.ts';

/**
 * The oracle as an engine: float64, on the calling thread, slow. Float state and outputs are float64 whatever the
 * graph declares, so that nothing is rounded between steps.
 */
export function createReferenceEngine(): Engine {
  let closed = false;
  const states = new Map<number, NDArray[]>();
  let nextId = 0;
  const load = async (graph: Graph, options: LoadOptions = {}): Promise<Executable> => {
    const n = options.state ?? 0;
    const stateId = (options.shareState as ReferenceExecutable | undefined)?.stateId ?? nextId++;
    const evaluate = (inputs: readonly NDArray[]): NDArray[] => {
      if (closed) throw new DecantError('engine', 'the engine is closed', { fix: 'create a new engine' });
      return interpret(graph, inputs);
    };
    const stateOf = (): NDArray[] => {
      const state = states.get(stateId);
      if (!state) throw new DecantError('engine', 'no state: call setState first');
      return state;
    };
    const step = async (inputs: readonly NDArray[]): Promise<NDArray[]> => {
      const outputs = evaluate([...stateOf(), ...inputs]);
      states.set(stateId, outputs.slice(0, n));
      return outputs.slice(n);
    };
    const executable: ReferenceExecutable = {
      stateId,
      run: async (inputs) => evaluate(inputs),
      async setState(state) {
        states.set(stateId, state.map(copy));
      },
      getState: async () => stateOf().map(copy),
      step,
      async stepMany(batches) {
        const results: NDArray[][] = [];
        for (const b of batches) results.push(await step(b));
        return results;
      },
      profile: async () => {
        throw new DecantError('engine', 'the reference engine does not measure operators', {
          fix: 'use the node engine',
        });
      },
      async dispose() {
        if (!options.shareState) states.delete(stateId);
      },
    };
    return executable;
  };
  return {
    name: 'reference',
    load,
    interrupt: () => {}, // nothing is ever pending: steps run when they are called
    async close() {
      closed = true;
      states.clear();
    },
  };
}

interface ReferenceExecutable extends Executable {
  readonly stateId: number;
}

const copy = (a: NDArray): NDArray => ndarray(a.data.slice(), a.shape, a.dtype);
