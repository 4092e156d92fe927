// Runs in the browser: the training steps that engine.browser.test.ts compares with Node's.
import { createWebEngine, type WebEngineOptions } from '../../src/engine/web/engine.ts';
import { gptRun, tinyRun } from './steps.ts';

const engine = (options: WebEngineOptions) => createWebEngine({ ...options, wasmPaths: '/ort/' });

Object.assign(globalThis, {
  gpt: async (options: WebEngineOptions) => {
    const e = await engine(options);
    const result = await gptRun(e);
    await e.close();
    return { ...result, threads: e.threads, isolated: crossOriginIsolated };
  },
  tiny: async (options: WebEngineOptions) => {
    const e = await engine(options);
    const result = await tinyRun(e);
    await e.close();
    return { ...result, provider: e.provider };
  },
});
