import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { join } from 'node:path';

export interface Check {
  what: string;
  state: 'ok' | 'note' | 'fail';
  found: string;
  fix?: string;
}

export const worst = (checks: readonly Check[]): Check['state'] =>
  checks.some((c) => c.state === 'fail') ? 'fail' : checks.some((c) => c.state === 'note') ? 'note' : 'ok';

const LEAST = [20, 19];
const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Examines this machine: versions, cores, memory, the execution engine and its devices, data, and write access. */
export async function examine(env: Record<string, string | undefined>, cwd: string): Promise<Check[]> {
  return [
    nodeVersion(process.versions.node),
    ...resources(),
    ...(await engine()),
    data(env.DECANT_DATA),
    writable(cwd),
  ];
}

/** Node must be 20.19 or later. */
export function nodeVersion(version: string): Check {
  const [major, minor] = version.split('.').map(Number);
  const enough = major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
  return {
    what: 'Node',
    state: enough ? 'ok' : 'fail',
    found: version,
    ...(enough ? {} : { fix: `install Node ${LEAST.join('.')} or later` }),
  };
}

function resources(): Check[] {
  const cores = availableParallelism();
  const total = totalmem();
  return [
    { what: 'processor', state: 'ok', found: `${cores} core${cores === 1 ? '' : 's'}, ${process.arch}` },
    {
      what: 'memory',
      state: total < 2 * 2 ** 30 ? 'note' : 'ok',
      found: `${gigabytes(total)}, ${gigabytes(freemem())} free`,
      ...(total < 2 * 2 ** 30
        ? { fix: 'use a sample (data.train.limit), a small batchSize and a small model' }
        : {}),
    },
  ];
}

/** Whether onnxruntime-node loads, and the devices it knows. */
async function engine(): Promise<Check[]> {
  try {
    const ort = await import('onnxruntime-node');
    const { node, common } = ort.env.versions as { node?: string; common?: string };
    const backends = ort.listSupportedBackends();
    const names = backends.map((b) => b.name + (b.bundled ? '' : ' (needs its own libraries)'));
    return [
      {
        what: 'onnxruntime-node',
        state: 'ok',
        found: node ?? common ?? 'loaded',
      },
      { what: 'execution providers', state: 'ok', found: names.join(', ') || 'cpu' },
    ];
  } catch (e) {
    return [
      {
        what: 'onnxruntime-node',
        state: 'fail',
        found: (e as Error).message.split('\n')[0],
        fix: 'run "npm ci" again with "onnxruntime-node-install=skip" in .npmrc; on Linux the C++ runtime (libstdc++) must be there',
      },
    ];
  }
}

/** Where `dataset:` names are looked up. Only recipes that use them need it. */
export function data(root: string | undefined): Check {
  const what = 'DECANT_DATA';
  if (!root)
    return {
      what,
      state: 'note',
      found: 'not set',
      fix: 'set it to the folder that holds public data sets, if recipes name dataset:',
    };
  if (!existsSync(root))
    return { what, state: 'note', found: `${root} does not exist`, fix: 'set it to an existing folder' };
  const sets = readdirSync(root, { withFileTypes: true }).filter((e) => e.isDirectory()).length;
  return { what, state: 'ok', found: `${root}, ${sets} folder${sets === 1 ? '' : 's'}` };
}

/** Runs are written below the current folder. */
export function writable(folder: string): Check {
  try {
    accessSync(folder, constants.W_OK);
    return { what: 'write access', state: 'ok', found: join(folder, '.') };
  } catch {
    return {
      what: 'write access',
      state: 'note',
      found: `${folder} is read-only`,
      fix: 'use --out with a folder that can be written',
    };
  }
}
