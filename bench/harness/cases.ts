import { constants } from '../../src/engine/compile.ts';
import type { Engine, OperatorTime } from '../../src/engine/engine.ts';
import { spec, type Tensor, trace } from '../../src/graph/index.ts';
import { adam, sgd, type TrainStep, trainStep } from '../../src/optim/index.ts';
import { encoderForward, encoderInput, encoderParams } from '../models/encoder.ts';
import { GPT, gptBatch, gptLoss, gptParams } from '../models/gpt.ts';
import { mlpBatch, mlpLoss, mlpParams } from '../models/mlp.ts';
import { resnetBatch, resnetLoss, resnetParams, resnetTrainable } from '../models/resnet20.ts';

export const CASES = ['gpt', 'mlp', 'cnn', 'encoder'] as const;
export type CaseName = (typeof CASES)[number];

export interface Case {
  /** One step; a number that shows that it computed something. */
  step(): Promise<number>;
  profile(): Promise<OperatorTime[]>;
}

/** The cases in Decant. */
export async function decantCase(name: CaseName, engine: Engine, profile = false): Promise<Case> {
  const training = <P, B, A>(t: TrainStep<P, B, A>, batch: Parameters<typeof t.step>[0]): Case => ({
    step: async () => (await t.step(batch)).loss,
    profile: () => t.profile(),
  });
  switch (name) {
    case 'gpt':
      return training(
        trainStep(gptLoss(GPT), adam(), { engine, params: gptParams(GPT), lr: 1e-3, profile }),
        gptBatch(GPT, 'bench'),
      );
    case 'mlp':
      return training(
        trainStep(mlpLoss, sgd(), { engine, params: mlpParams(), lr: 0.01, profile }),
        mlpBatch('bench'),
      );
    case 'cnn':
      return training(
        trainStep(resnetLoss, sgd({ momentum: 0.9 }), {
          engine,
          params: resnetParams(),
          lr: 0.01,
          trainable: resnetTrainable,
          profile,
        }),
        resnetBatch('bench'),
      );
    default: {
      const x = encoderInput('bench');
      const weights = encoderParams();
      const { graph } = trace((h: Tensor) => [encoderForward(constants(weights), h)], [spec(x.shape)], ['x']);
      const executable = await engine.load(graph, { profile });
      return {
        step: async () => Number((await executable.run([x]))[0].data[0]),
        profile: () => executable.profile(),
      };
    }
  }
}
