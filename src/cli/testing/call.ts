import { runCli } from '../program.ts';

/** What a command wrote, and its exit code. */
export interface Called {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line inside this process, in the folder `cwd`. */
export async function callCli(
  cwd: string,
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Called> {
  let [out, err] = ['', ''];
  const io = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    stdin: {},
    env,
    cwd,
  };
  const code = await runCli([...args], io, '0.0.0');
  return { code, out, err };
}
