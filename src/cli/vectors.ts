import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createNodeEngine } from '../engine/node/engine.ts';
import type { CaseResult, Float32Runner, Vector, VectorFile } from '../losses/vectors/index.ts';
import { runVectorCase } from '../losses/vectors/index.ts';
import { DecantError } from '../util/errors.ts';

/** The golden-vector files a path names: itself, or every `.json` of a folder that holds cases. */
export function vectorFiles(path: string, cwd: string): { path: string; file: VectorFile }[] {
  const at = resolve(cwd, path);
  if (!existsSync(at))
    throw new DecantError('usage', 'no such file or folder', {
      at: path,
      fix: 'name a golden-vector file or folder',
    });
  if (!statSync(at).isDirectory()) return [{ path, file: asVectorFile(readJson(at, path), path) }];
  const files = readdirSync(at)
    .filter((n) => n.endsWith('.json'))
    .sort()
    .map((n) => ({ path: join(path, n), value: readJson(join(at, n), join(path, n)) }))
    .filter(({ value }) => value?.cases !== undefined);
  if (files.length === 0)
    throw new DecantError('usage', 'the folder holds no golden vectors', {
      at: path,
      allowed: '*.json with cases',
    });
  return files.map(({ path: shown, value }) => ({ path: shown, file: asVectorFile(value, shown) }));
}

function readJson(file: string, shown: string): Partial<VectorFile> | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<VectorFile> | null;
  } catch (e) {
    throw new DecantError('data', 'not JSON', { at: shown, seen: (e as Error).message, cause: e });
  }
}

function asVectorFile(value: Partial<VectorFile> | null, shown: string): VectorFile {
  const { method, tolerance, cases } = value ?? {};
  const whole =
    typeof method === 'string' &&
    typeof tolerance === 'number' &&
    Array.isArray(cases) &&
    cases.every((c) => typeof c?.name === 'string' && typeof c.function === 'string' && 'outputs' in c);
  if (!whole)
    throw new DecantError('data', 'not a file of golden vectors', {
      at: shown,
      seen: Object.keys(value ?? {}),
      allowed: '{ method, source, tolerance, cases: [{ name, function, params, inputs, outputs }] }',
    });
  return {
    ...(value as VectorFile),
    cases: (value as VectorFile).cases.map((c) => ({ ...c, params: c.params ?? {}, inputs: c.inputs ?? {} })),
  };
}

/** Runs all cases of the files, on the oracle and on onnxruntime; tells each result as it comes. */
export async function checkVectors(
  files: readonly { file: VectorFile }[],
  vectors: readonly Vector[],
  tell: (result: CaseResult) => void,
): Promise<Record<CaseResult['status'], number>> {
  const engine = createNodeEngine({ threads: 1 });
  const float32: Float32Runner = async (graph, inputs) => {
    const program = await engine.load(graph);
    try {
      return await program.run(inputs);
    } finally {
      await program.dispose();
    }
  };
  const count = { passed: 0, failed: 0, unknown: 0 };
  try {
    for (const { file } of files) {
      for (const c of file.cases) {
        const result = await runVectorCase(file, c, vectors, float32);
        count[result.status]++;
        tell(result);
      }
    }
  } finally {
    await engine.close();
  }
  return count;
}
