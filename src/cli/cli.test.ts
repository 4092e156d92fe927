import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { tasks } from '../data/roles.ts';
import { folderWith } from '../data/testing/files.ts';
import { parseRecipe } from '../recipe/parse.ts';
import { loadCatalogue } from './catalogue.ts';
import { fillDocs } from './docs.ts';
import { data, nodeVersion, worst } from './doctor.ts';
import { exitCodes } from './exit-codes.ts';
import { initRecipe } from './init-recipe.ts';
import { textTable } from './io.ts';
import { createProgram, runCli } from './program.ts';

const capture = (cwd: string, env: Record<string, string> = {}) => {
  const seen = { out: '', err: '' };
  const io = {
    stdout: { write: (t: string) => (seen.out += t) },
    stderr: { write: (t: string) => (seen.err += t) },
    stdin: {},
    env,
    cwd,
  };
  return { seen, io, run: (...args: string[]) => runCli(args, io, '1.2.3') };
};

const csv = `text,label\n${Array.from({ length: 20 }, (_, i) => `request number ${i} about a ${i % 2 ? 'card' : 'transfer'},${i % 2 ? 'card' : 'transfer'}`).join('\n')}\n`;

describe('decant', () => {
  it('gives help with examples for every command, and exits with 0', async () => {
    const { seen, io, run } = capture('/');
    expect(await run('--help')).toBe(0);
    expect(await run('--version')).toBe(0);
    expect(seen.out).toMatch(/Exit codes: 0 success, 1 internal, 2 usage/);
    expect(seen.out).toContain('1.2.3');
    for (const command of createProgram(io, '0').commands) {
      seen.out = '';
      expect(await run(command.name(), '--help')).toBe(0);
      expect(seen.out, command.name()).toMatch(/--json/);
      expect(seen.out, command.name()).toMatch(/Examples:\n {2}\$ decant /);
    }
  });

  it('has a distinct exit code for each kind of error', () => {
    expect(new Set(Object.values(exitCodes)).size).toBe(Object.keys(exitCodes).length);
    expect(Object.values(exitCodes)).not.toContain(0);
  });

  it('prints the JSON Schema, or writes it', async () => {
    const folder = folderWith();
    const { seen, run } = capture(folder);
    expect(await run('schema')).toBe(0);
    expect(JSON.parse(seen.out)).toMatchObject({ title: 'Decant recipe', additionalProperties: false });
    expect(await run('schema', '-o', 'schema.json')).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, 'schema.json'), 'utf8'))).toHaveProperty('properties.task');
  });
});

describe('decant init', () => {
  it.each(
    tasks.flatMap((task) =>
      ['trained', 'none', 'folder:./t', 'onnx:t.onnx', 'hub:o/n', 'api:gpt'].map(
        (teacher) => [task, teacher] as const,
      ),
    ),
  )('%s taught by %s is a valid recipe', async (task, teacher) => {
    const text = initRecipe({ task, data: 'rows.csv', teacher });
    const catalogue = await loadCatalogue();
    const method = (parse(text) as { method: string }).method;
    // Tasks that no method of the catalogue serves yet are checked without it.
    const served = catalogue?.methods[method]?.needs.tasks.includes(task);
    const { recipe } = parseRecipe(text, { file: 'recipe.yaml', catalogue: served ? catalogue : undefined });
    expect(recipe.task).toBe(task);
    if (task === 'classify') expect(served).toBe(true);
  });

  it('writes what plan accepts, and does not overwrite it', async () => {
    const folder = folderWith({ 'rows: 1.csv': csv });
    const { seen, run } = capture(folder);
    expect(await run('init', 'mine.yaml', '-t', 'classify', '-d', './rows: 1.csv', '-T', 'trained')).toBe(0);
    expect(seen.out).toContain('next: decant plan mine.yaml');
    expect(await run('init', 'mine.yaml', '-t', 'classify', '-d', 'x', '-T', 'trained')).toBe(
      exitCodes.usage,
    );
    seen.out = '';
    expect(await run('plan', 'mine.yaml', '--json')).toBe(0);
    // 20 rows less 0.2 for the test and 0.1 of the rest for validation, in batches of 32, 10 epochs.
    expect(JSON.parse(seen.out)).toMatchObject({
      task: 'classify',
      method: 'kd',
      data: {
        classes: ['card', 'transfer'],
        splits: { train: { kept: 14 }, validation: { kept: 2 }, test: { kept: 4 } },
      },
    });
  });
});

describe('decant data', () => {
  it('shows splits, problems with their line, classes and lengths', async () => {
    const folder = folderWith({ 'rows.csv': `${csv}only one field\n,card\n` });
    const { seen, run } = capture(folder);
    expect(await run('data', 'rows.csv', '-p', 'problems.jsonl')).toBe(0);
    expect(seen.out).toMatch(/task classify \(text\): text <- text, label <- label/);
    expect(seen.out).toMatch(/train\s+22\s+20\s+0\s+2/);
    expect(seen.out).toMatch(
      /ragged\s+train\s+1\s+put aside\s+.*rows\.csv:22 1 field where the header has 2/,
    );
    expect(seen.out).toMatch(/2 classes in train, largest over smallest 1\.0/);
    const lines = readFileSync(join(folder, 'problems.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((l) => (JSON.parse(l) as { kind: string }).kind)).toEqual(['ragged', 'empty']);
  });

  it.each([
    ['prompt,chosen,rejected\na,b,c\n', 'prefer'],
    ['query,document,relevance\na,b,1\n', 'rank'],
    ['prompt,response\na,b\n', 'generate'],
  ])('guesses the task of %j', async (content, task) => {
    const { seen, run } = capture(folderWith({ 'rows.csv': content }));
    expect(await run('data', 'rows.csv', '--json')).toBe(0);
    expect(JSON.parse(seen.out)).toMatchObject({ task, splits: { train: { rows: 1, kept: 1 } } });
  });
});

describe('decant doctor', () => {
  it('passes here, and judges what it finds', async () => {
    const { seen, run } = capture(folderWith(), {});
    expect(await run('doctor', '--json')).toBe(0);
    const { checks, ok } = JSON.parse(seen.out) as { checks: { what: string; state: string }[]; ok: boolean };
    expect(ok).toBe(true);
    expect(checks.map((c) => c.what)).toEqual([
      'Node',
      'processor',
      'memory',
      'onnxruntime-node',
      'execution providers',
      'DECANT_DATA',
      'write access',
    ]);
    expect(nodeVersion('20.18.9')).toMatchObject({ state: 'fail', fix: 'install Node 20.19 or later' });
    expect(nodeVersion('22.1.0').state).toBe('ok');
    expect(data(undefined).state).toBe('note');
    expect(data('/no/such/folder')).toMatchObject({ state: 'note', found: '/no/such/folder does not exist' });
    expect(worst([nodeVersion('18.0.0'), data(undefined)])).toBe('fail');
  });
});

describe('textTable', () => {
  it('aligns numbers to the right', () => {
    expect(
      textTable(
        ['name', 'rows'],
        [
          ['a', '1,000'],
          ['long', '5'],
        ],
      ),
    ).toBe('name   rows\n----  -----\na     1,000\nlong      5');
  });
});

describe('the docs', () => {
  it.each(['data', 'data-steps', 'recipe', 'cli'])(
    'docs/%s.md says what the code says (npx tsx scripts/data-docs.ts)',
    async (name) => {
      const file = fileURLToPath(new URL(`../../docs/${name}.md`, import.meta.url));
      expect(existsSync(file)).toBe(true);
      // The formatter pads table cells; what counts is their text.
      const plain = (text: string) => text.replace(/-+/g, '-').replace(/\s+/g, ' ');
      const page = readFileSync(file, 'utf8');
      expect(plain(await fillDocs(page))).toBe(plain(page));
      expect(page).toContain('<!-- generated: ');
    },
  );
});
