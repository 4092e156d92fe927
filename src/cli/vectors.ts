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
  if (!statSync(at).isDirectory()) return [{ path, file: readVectorFile(at, path) }];
  const names = readdirSync(at)
    .filter((n) => n.endsWith('.json'))
    .sort();
  if (names.length === 0)
    throw new DecantError('usage', 'the folder holds no golden vectors', { at: path, allowed: '*.json' });
  return names.map((n) => ({ path: join(path, n), file: readVectorFile(join(at, n), join(path, n)) }));
}

function readVectorFile(file: string, shown: string): VectorFile {
  let value: Partial<VectorFile>;
  try {
    value = JSON.parse(readFileSync(file, 'utf8')) as Partial<VectorFile>;
  } catch (e) {
    throw new DecantError('data', 'not JSON', { at: shown, seen: (e as Error).message, cause: e });
  }
  const { method, tolerance, cases } = value;
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
