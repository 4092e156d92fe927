import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import type { WebEngineOptions } from '../src/engine/web/engine.ts';
import { bundle, findChromium, openPage, serve } from './browser/chromium.ts';
import { gptRun, type RunResult, tinyRun } from './browser/steps.ts';

const chromium = findChromium();
if (!chromium) console.warn('no Chromium found (set CHROMIUM_PATH): the browser tests are skipped');

interface PageFunctions {
  gpt(options: WebEngineOptions): Promise<RunResult & { threads: number; isolated: boolean }>;
  tiny(options: WebEngineOptions): Promise<RunResult & { provider: string }>;
}

const expectNear = (got: number[], want: number[]): void => {
  expect(got.length).toBe(want.length);
  got.forEach((g, i) => {
    expect(Math.abs(g - want[i])).toBeLessThan(1e-4);
  });
};

describe.skipIf(!chromium)('the web engine in Chromium', () => {
  const node = createNodeEngine({ threads: 2 });
  let site: Awaited<ReturnType<typeof serve>>;
  beforeAll(async () => {
    const script = await bundle(new URL('./browser/engine-page.ts', import.meta.url));
    expect(script).not.toMatch(/from ?["']node:/);
    site = await serve(
      { '/': '<!doctype html><script type="module" src="/page.js"></script>', '/page.js': script },
      { '/ort/': fileURLToPath(new URL('../node_modules/onnxruntime-web/dist/', import.meta.url)) },
    );
  });
  afterAll(async () => {
    await site?.close();
    await node.close();
  });
  const inPage = async <T>(args: string[], fn: (f: PageFunctions) => Promise<T>): Promise<T> => {
    const { page, close } = await openPage(chromium!, site.url, args);
    try {
      await page.waitForFunction('typeof gpt === "function"');
      const call = (name: string) => (options: WebEngineOptions) =>
        page.evaluate(`${name}(${JSON.stringify(options)})`) as never;
      return await fn({ gpt: call('gpt'), tiny: call('tiny') });
    } finally {
      await close();
    }
  };

  it('trains a GPT from the bytes that Node runs, on wasm threads, with Node’s losses to 1e-4', async () => {
    const want = await gptRun(node);
    const got = await inPage(['--disable-gpu'], (f) => f.gpt({ threads: 2 }));
    expect(got).toMatchObject({ isolated: true, threads: 2, hashes: want.hashes });
    expectNear(got.losses, want.losses);
    expect(got.looped).toEqual(got.losses);
  });

  it('trains on WebGPU (the software adapter) with Node’s losses to 1e-4', async () => {
    const want = await tinyRun(node);
    const args = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
    const got = await inPage(args, (f) => f.tiny({ provider: 'webgpu' }));
    expect(got).toMatchObject({ provider: 'webgpu', hashes: want.hashes });
    expectNear(got.losses, want.losses);
  });
});
