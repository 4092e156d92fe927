import { tasks } from '../data/roles.ts';
import type { Task } from '../data/types.ts';
import { DecantError } from '../util/errors.ts';
import type { InitAnswers } from './init-recipe.ts';

const what: Record<Task, string> = {
  classify: 'put texts (or rows of numbers) into classes',
  'image-classify': 'put images into classes',
  'node-classify': 'put the nodes of a graph into classes',
  generate: 'write text',
  embed: 'turn texts into vectors',
  diffuse: 'draw new samples like those of the data, in one step',
  rank: 'order documents for a query',
  prefer: 'learn which of two responses is better',
};

/** The three questions of `decant init`, on the terminal; answers already given are not asked for. */
export async function askInit(given: Partial<InitAnswers>): Promise<InitAnswers> {
  const { intro, isCancel, outro, select, text } = await import('@clack/prompts');
  const answer = <T>(value: T): Exclude<T, symbol> => {
    if (isCancel(value)) throw new DecantError('interrupted', 'nothing was written');
    return value as Exclude<T, symbol>;
  };
  intro('A new recipe');
  const task =
    given.task ??
    answer(
      await select({
        message: 'What is the student to do?',
        options: tasks.map((value) => ({ value, label: value, hint: what[value] })),
      }),
    );
  const data =
    given.data ??
    answer(
      await text({
        message: 'Where is the data? (a file or folder, dataset:NAME, hub:OWNER/NAME)',
        placeholder: 'builtin:support-requests',
        defaultValue: 'builtin:support-requests',
      }),
    );
  const teacher = given.teacher ?? (await askTeacher(answer));
  outro('Writing the recipe');
  return { task, data, teacher };

  async function askTeacher(take: typeof answer): Promise<string> {
    const kind = take(
      await select({
        message: 'Who teaches?',
        options: [
          { value: 'trained', label: 'a bigger model trained here' },
          { value: 'folder', label: 'a model folder', hint: 'Hugging Face layout' },
          { value: 'onnx', label: 'an ONNX file' },
          { value: 'hub', label: 'a model of the hub' },
          { value: 'api', label: 'a model behind an API', hint: 'OpenAI-compatible' },
        ],
      }),
    );
    if (kind === 'trained') return kind;
    const where = take(
      await text({
        message:
          kind === 'api'
            ? 'Its name at the provider?'
            : kind === 'hub'
              ? 'Its id (OWNER/NAME)?'
              : 'Its path?',
        validate: (v) => (v ? undefined : 'an answer is needed'),
      }),
    );
    return `${kind}:${where}`;
  }
}
