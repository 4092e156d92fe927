import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folderWith } from '../data/testing/files.ts';
import { KEY } from '../teachers/api/testing/fault-run.ts';
import { startServer } from '../teachers/api/testing/server.ts';
import { runCli } from './program.ts';

const rows = Array.from({ length: 40 }, (_, i) =>
  JSON.stringify({ text: `request number ${i} of many`, label: i % 2 ? 'card' : 'refund' }),
).join('\n');

it('tells what a teacher behind an API would be asked and cost, and asks what it can do', async () => {
  const server = await startServer({ key: KEY });
  const folder = folderWith({ 'rows.jsonl': rows });
  writeFileSync(join(folder, 'prices.yaml'), 'currency: EUR\nmodels: { tiny: { input: 10, output: 20 } }\n');
  writeFileSync(
    join(folder, 'recipe.yaml'),
    `version: 1\ntask: classify\ndata: { train: rows.jsonl }\nteacher: { kind: api, model: tiny, baseURL: "${server.baseURL}", keyEnv: THE_KEY, prices: prices.yaml }\nstudent: { architecture: bag }\nmethod: kd\n`,
  );
  const plan = async (env: Record<string, string>, ...flags: string[]): Promise<string> => {
    let out = '';
    const say = { write: (t: string) => (out += t) };
    const io = { stdout: say, stderr: say, stdin: {}, env, cwd: folder };
    await runCli(['plan', 'recipe.yaml', ...flags], io, '1');
    return out;
  };
  try {
    // without a key, and without a request
    const [api] = JSON.parse(await plan({}, '--json')).api;
    expect(server.requests).toBe(0);
    expect(api).toMatchObject({ model: 'tiny', currency: 'EUR' });
    expect(api.questions).toBeGreaterThan(30);
    expect(api.money).toBeCloseTo((10 * api.inputTokens + 20 * api.outputTokens) / 1e6, 6);
    const text = await plan({ THE_KEY: KEY }, '--ask-teacher');
    expect(text).toMatch(/asked {3}tiny at http.*questions, about [\d,]+ tokens in.* EUR/);
    expect(text).toMatch(
      /gives text, topk\(2\), embeddings of width 3; chat, the shape of answers by json_schema/,
    );
    expect(server.requests).toBeGreaterThan(2);
    expect(text.includes(KEY)).toBe(false);
  } finally {
    await server.close();
  }
});
