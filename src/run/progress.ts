import cliProgress from 'cli-progress';
import pc from 'picocolors';

/** One state of a long piece of work. */
export interface ProgressUpdate {
  /** Finished units, of `total`. */
  done: number;
  /** Named values to show: loss terms, metrics. */
  terms?: Readonly<Record<string, number>>;
}

export interface ProgressTask {
  update(state: ProgressUpdate): void;
  /** Ends the task with a closing remark, such as the final metric. */
  finish(remark?: string): void;
}

export interface ProgressReporter {
  /** Begins a task of `total` units (`unit`: steps, rows, tokens). */
  task(name: string, total: number, unit?: string): ProgressTask;
  /** A line above the bars. */
  note(message: string): void;
  close(): void;
}

export interface ProgressOptions {
  stream?: NodeJS.WriteStream;
  /** Bars (a terminal) or plain lines; default: what the stream is. */
  mode?: 'bar' | 'lines' | 'silent';
  /** Seconds between plain lines of a task; default 10. */
  every?: number;
  /** For tests. */
  now?: () => number;
}

/**
 * Shows how far the work is, with loss terms, throughput and time left: a bar per task on a terminal, otherwise a line
 * at the start, every ten seconds and at the end, so that log files stay short.
 */
export function createProgress(options: ProgressOptions = {}): ProgressReporter {
  const { stream = process.stderr, every = 10, now = () => performance.now() } = options;
  const mode = options.mode ?? (stream.isTTY && !process.env.CI ? 'bar' : 'lines');
  if (mode === 'silent') return { task: () => ({ update() {}, finish() {} }), note() {}, close() {} };
  const write = (line: string): void => void stream.write(`${line}\n`);
  const bars =
    mode === 'bar'
      ? new cliProgress.MultiBar(
          {
            format: `{name} ${pc.cyan('{bar}')} {percentage}%  {value}/{total}  {facts}`,
            barCompleteChar: '█',
            barIncompleteChar: '░',
            barsize: 24,
            hideCursor: true,
            clearOnComplete: false,
            stopOnComplete: false,
            stream,
            fps: 8,
          },
          cliProgress.Presets.shades_classic,
        )
      : undefined;
  return {
    task(name, total, unit = 'steps') {
      const meter = throughput(total, now);
      const bar = bars?.create(total, 0, { name: name.padEnd(18), facts: '' });
      let lastLine = now();
      let done = 0;
      if (!bar) write(`${name}: ${count(total)} ${unit}`);
      return {
        update(state) {
          done = state.done;
          const { rate, left } = meter(done);
          const facts = [
            termsText(state.terms),
            rateText(rate, unit),
            left === undefined ? '' : `${duration(left)} left`,
          ];
          const text = facts.filter(Boolean).join('  ');
          if (bar) bar.update(done, { facts: pc.dim(text) });
          else if (now() - lastLine >= every * 1000) {
            lastLine = now();
            write(`${name}: ${count(done)}/${count(total)}  ${text}`);
          }
        },
        finish(remark = '') {
          const { seconds } = meter(done);
          const text = [remark, `${duration(seconds)}`].filter(Boolean).join('  ');
          if (bar) {
            bar.update(done, { facts: text });
            bar.stop();
          } else write(`${name}: done  ${text}`);
        },
      };
    },
    note(message) {
      if (bars) bars.log(`${message}\n`);
      else write(message);
    },
    close: () => bars?.stop(),
  };
}

/** Units per second over the last half minute or so, and the seconds left at that rate. */
function throughput(
  total: number,
  now: () => number,
): (done: number) => { rate: number; left: number | undefined; seconds: number } {
  const begun = now();
  const marks: [number, number][] = [[begun, 0]];
  return (done) => {
    const time = now();
    marks.push([time, done]);
    while (marks.length > 2 && (time - marks[1][0] > 30_000 || marks.length > 400)) marks.shift();
    const [since, before] = marks[0];
    const rate = time > since ? ((done - before) * 1000) / (time - since) : 0;
    return {
      rate,
      left: rate > 0 ? Math.max(0, total - done) / rate : undefined,
      seconds: (time - begun) / 1000,
    };
  };
}

const termsText = (terms: Readonly<Record<string, number>> = {}): string =>
  Object.entries(terms)
    .map(
      ([name, value]) =>
        `${name} ${Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(value >= 100 ? 1 : 4)}`,
    )
    .join('  ');

const rateText = (rate: number, unit: string): string =>
  rate > 0 ? `${rate >= 100 ? Math.round(rate) : rate.toPrecision(2)} ${unit}/s` : '';

const count = (n: number): string => n.toLocaleString('en');

/** Seconds as 0.4 s, 42 s, 3 m 05 s, 2 h 07 m. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${String(s % 60).padStart(2, '0')} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, '0')} m`;
}
