import { DecantError } from '../util/errors.ts';

export interface Interrupt {
  /** True once the user has asked to stop: finish the step, write a checkpoint, return. */
  readonly requested: boolean;
  /** For work that can be aborted at once, such as requests. */
  readonly signal: AbortSignal;
  /** Throws an `interrupted` error (exit code 130) when a stop was asked for. */
  check(): void;
  /** Stops listening. */
  dispose(): void;
}

/**
 * Turns ctrl-C (SIGINT) and SIGTERM into a flag that the loops look at. The first signal asks for a clean stop and
 * says so; the second ends the process at once with code 130: the run folder survives that too.
 */
export function listenForInterrupt(
  options: {
    say?: (message: string) => void;
    exit?: (code: number) => void;
    /** What is finished first; default: the step, and a checkpoint. */
    finishing?: string;
  } = {},
): Interrupt {
  const { say = (m) => process.stderr.write(`${m}\n`), exit = (code) => process.exit(code) } = options;
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      exit(130);
      return;
    }
    controller.abort(interrupted());
    const { finishing = 'Stopping after this step and writing a checkpoint' } = options;
    say(`${finishing}; press ctrl-C again to end at once.`);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    get requested() {
      return controller.signal.aborted;
    },
    signal: controller.signal,
    check() {
      if (controller.signal.aborted) throw interrupted();
    },
    dispose() {
      process.removeListener('SIGINT', onSignal);
      process.removeListener('SIGTERM', onSignal);
    },
  };
}

const interrupted = (): DecantError =>
  new DecantError('interrupted', 'stopped on request; everything finished so far is kept', {
    fix: 'go on with decant resume',
  });
