import { documentBuiltins, documentDatasets, documentProblems } from '../data/document.ts';
import { documentRecipe, documentSteps, documentTasks } from '../recipe/document.ts';
import { exitCodes, exitMeanings } from './exit-codes.ts';
import { createProgram } from './program.ts';

const documentExitCodes = (): string =>
  [
    '| code | name | when |',
    '| --- | --- | --- |',
    '| 0 | | success |',
    ...Object.entries(exitCodes).map(
      ([name, code]) => `| ${code} | ${name} | ${exitMeanings[name as keyof typeof exitMeanings]} |`,
    ),
  ].join('\n');

const documentCommands = (): string => {
  const nowhere = { write: () => true };
  const { commands } = createProgram({ stdout: nowhere, stderr: nowhere, stdin: {}, env: {}, cwd: '.' }, '0');
  return [
    '| command | what it does |',
    '| --- | --- |',
    ...commands.map((c) => {
      const args = c.registeredArguments.map((a) => {
        const name = `${a.name()}${a.variadic ? '...' : ''}`;
        return a.required ? ` <${name}>` : ` [${name}]`;
      });
      return `| \`decant ${c.name()}${args.join('')}\` | ${c.description()} |`;
    }),
  ].join('\n');
};

/** Replaces what stands between `<!-- generated: NAME -->` and `<!-- end -->` in a page by what the code says. */
export async function fillDocs(page: string): Promise<string> {
  const parts: Record<string, string> = {
    recipe: documentRecipe(),
    tasks: documentTasks(),
    steps: documentSteps(),
    datasets: documentDatasets(),
    builtins: await documentBuiltins(),
    problems: documentProblems(),
    'exit codes': documentExitCodes(),
    commands: documentCommands(),
  };
  return page.replace(
    /(<!-- generated: ([\w ]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => `${begin}\n${parts[name]}\n\n${end}`,
  );
}
