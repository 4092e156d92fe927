import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callCli } from '../../src/cli/testing/call.ts';
import { writeTinyClassifier } from '../../src/run/testing/tiny-folders.ts';

/** One broken input: the files, the command, and what it must say and return. */
export interface Case {
  what: string;
  /** Makes further files, where they are not text. */
  make?: (cwd: string) => Promise<unknown>;
  files?: Record<string, string | Uint8Array>;
  args: string[];
  env?: Record<string, string>;
  says: RegExp;
  exit: number;
}

export const csv =
  'text,label\nwhere is my card,card\nsend money abroad,transfer\nthe card is lost,card\nmoney has not arrived,transfer\n';
export const recipe = (change: (text: string) => string = (t) => t): Record<string, string> => ({
  'rows.csv': csv,
  'recipe.yaml': change(`version: 1
task: classify
data:
  train: rows.csv
  test: 0
  validation: 0
teacher:
  kind: trained
  architecture: bert
student:
  architecture: bert
method: kd
train:
  epochs: 3
`),
});
export const plan = ['plan', 'recipe.yaml'];
export const taught = (teacher: string): Record<string, string> =>
  recipe((t) => t.replace('teacher:\n  kind: trained\n  architecture: bert', `teacher: ${teacher}`));
export const bert = (classes: string[]): string =>
  JSON.stringify({ architectures: ['BertForSequenceClassification'], id2label: { ...classes } });
export const data = (file: string, ...more: string[]) => ['data', file, ...more];
export const answer = ['predict', 'model', 'where is my card'];
export const trainOn = ['run', 'recipe.yaml', '-o', 'out'];
export const small = (t: string): string =>
  t
    .replaceAll('architecture: bert', 'architecture: bag')
    .replace('test: 0', 'test: 1')
    .replace('kind: trained', 'kind: trained\n  train: { steps: 1 }');
/** The student goes on from the folder `model`. */
export const goesOn = recipe((t) =>
  small(t).replace(/student:\n {2}architecture: bag/, 'student:\n  from: model'),
);
export const folderTeaches = recipe((t) =>
  small(t).replace(
    'teacher:\n  kind: trained\n  train: { steps: 1 }\n  architecture: bag',
    'teacher: {kind: folder, path: model}',
  ),
);
/** A good classifier folder `model` of the recipe's two classes, then changed. */
export const spoilt =
  (...steps: ((folder: string) => unknown)[]) =>
  async (cwd: string): Promise<void> => {
    const folder = join(cwd, 'model');
    await writeTinyClassifier(folder, ['card', 'transfer']);
    for (const step of steps) await step(folder);
  };
export const without = (file: string) => (folder: string) => rmSync(join(folder, file));
export const cut =
  (file: string, share = 0.5) =>
  (folder: string) => {
    const path = join(folder, file);
    truncateSync(path, Math.floor(statSync(path).size * share));
  };
export const withConfig = (change: Record<string, unknown>) => (folder: string) => {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
};
export const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1, 2, 3]);

/** Runs each case, in text and with --json. */
export function checkBadInput(kind: string, cases: readonly Case[]): void {
  describe(`bad input: ${kind}`, () => {
    let root: string;
    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), 'decant-bad-'));
    });
    afterAll(() => rmSync(root, { recursive: true, force: true }));

    it.each(cases.map((c, i) => ({ ...c, i })))(
      '$what -> exit $exit',
      async ({ files = {}, make, args, env = {}, says, exit, i }) => {
        const cwd = join(root, String(i));
        await mkdir(cwd);
        for (const [name, content] of Object.entries(files)) {
          await mkdir(dirname(join(cwd, name)), { recursive: true });
          await writeFile(join(cwd, name), content);
        }
        await make?.(cwd);
        const located = Object.fromEntries(Object.entries(env).map(([k, v]) => [k, join(cwd, v)]));
        const run = async (more: string[]) => {
          const { code, out, err } = await callCli(cwd, [...args, ...more], located);
          return { code, out, err: err.replaceAll(`${cwd}/`, '') };
        };
        const { code, err } = await run([]);
        expect(err).toMatch(says);
        expect(code).toBe(exit);
        expect(err).not.toMatch(/\n\s+at /);
        // The same as JSON, for programs; complaints of the command line itself stay text.
        rmSync(join(cwd, 'out'), { recursive: true, force: true });
        const json = await run(['--json']);
        expect(json.code).toBe(exit);
        if (exit !== 2)
          expect(JSON.parse(json.out)).toMatchObject({
            error: {
              exitCode: exit,
              message: expect.stringMatching(new RegExp(says.source.replaceAll('sets\\/', '.*sets\\/'))),
            },
          });
      },
    );
  });
}
